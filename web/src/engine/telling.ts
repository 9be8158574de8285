// The half of an engine that tells: its notices, and how it runs.

import type { CallBody, Notice, ReplyBody } from "./boundary.js";
import type { Engine, EngineInfo } from "./engine.js";
import { callEach, NoticeBoard } from "./notices.js";

export abstract class TellingEngine implements Engine {
  abstract readonly id: string;
  protected readonly board = new NoticeBoard();
  readonly #infoListeners = new Set<(info: EngineInfo) => void>();
  #info: EngineInfo;

  protected constructor(info: EngineInfo) {
    this.#info = info;
  }

  abstract call(body: CallBody, options?: { signal?: AbortSignal }): Promise<ReplyBody>;
  abstract close(): Promise<void>;

  onNotice(listener: (notice: Notice) => void): () => void {
    return this.board.listen(listener);
  }

  info(): EngineInfo {
    return this.#info;
  }

  onInfo(listener: (info: EngineInfo) => void): () => void {
    this.#infoListeners.add(listener);
    return () => void this.#infoListeners.delete(listener);
  }

  protected setInfo(info: EngineInfo): void {
    this.#info = info;
    callEach(this.#infoListeners, info);
  }
}
