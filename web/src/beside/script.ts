/** What a Worker is made of. The address may be a TrustedScriptURL. */
export interface WorkerScript {
  readonly url: string | URL | object;
  readonly options: WorkerOptions;
}
