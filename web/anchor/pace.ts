// Back-pressure towards those who send: the core takes about a mebibyte a task, and what comes faster would wait in memory.
import { setImmediate } from "node:timers";
import type { WebSocket } from "ws";

/** What the driver takes in a task, and what a message costs at least there. */
const bytesPerTask = 1 << 20;
const messageBytesMin = 2048;
/** From so much waiting on, whoever sends is not read; from so little on, again. */
const highBytes = 4 << 20;
const lowBytes = 1 << 20;

export class Pace {
  readonly #paused = new Set<WebSocket>();
  #waiting = 0;
  #task: ReturnType<typeof setImmediate> | undefined;

  watch(socket: WebSocket): void {
    socket.on("message", data => {
      const size = data instanceof ArrayBuffer || Buffer.isBuffer(data) ? data.byteLength : messageBytesMin;
      this.#waiting += Math.max(size, messageBytesMin);
      this.#task ??= setImmediate(() => this.#pass());
      if (this.#waiting > highBytes && !this.#paused.has(socket)) {
        this.#paused.add(socket);
        socket.pause();
      }
    });
    socket.on("close", () => this.#paused.delete(socket));
  }

  stop(): void {
    this.#resume();
  }

  #pass(): void {
    this.#waiting = Math.max(0, this.#waiting - bytesPerTask);
    this.#task = this.#waiting > 0 ? setImmediate(() => this.#pass()) : undefined;
    if (this.#waiting <= lowBytes) this.#resume();
  }

  #resume(): void {
    for (const socket of this.#paused) socket.resume();
    this.#paused.clear();
  }
}
