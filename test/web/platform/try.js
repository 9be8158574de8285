// What pages, frames and workers of the tests do with the package: open a peer, say something, read it again, and tell how that went.

export async function attempt(entry, options) {
  try {
    const { openPeer } = await import(entry);
    return await use(await openPeer(options));
  } catch (error) {
    return `${error.code ?? error.name}: ${error.message}`;
  }
}

/** The same with what was imported already. */
export async function attemptWith(openPeer, options) {
  try {
    return await use(await openPeer(options));
  } catch (error) {
    return `${error.code ?? error.name}: ${error.message}`;
  }
}

async function use(peer) {
  const topic = await peer.topic("lunch");
  await topic.append("hello");
  const read = [];
  for await (const { value } of topic.messages()) read.push(value);
  const { storage, trouble } = peer.status.current;
  await peer.close();
  return [read.at(-1), "in", storage.kind, ...trouble.map(({ code, message }) => `${code}: ${message}`)].join(" ");
}
