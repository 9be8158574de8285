// Why there is no TLS with an address: Node says so where it dials, and the core, which tells of the anchors, does not hear it.

import type { Notice } from "../engine/boundary.js";

const certificate = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_|ERR_TLS_CERT_)/;
const handshake = /^(EPROTO$|ERR_SSL_|ERR_TLS_)/;

export class TlsFaults {
  /** By address, as the core has it. */
  readonly #faults = new Map<string, string>();

  /** `url`: what is dialled. */
  failed(url: string, error: unknown): void {
    if (!(error instanceof Error)) return;
    const code = String(Reflect.get(error, "code"));
    const said = `${String(Reflect.get(error, "reason") ?? error.message).split("\n", 1)[0]}; ${code}`;
    if (certificate.test(code))
      this.#faults.set(
        addressOf(url),
        `The certificate of this address is not trusted (${said}). Node also trusts those in the file that NODE_EXTRA_CA_CERTS names. It is tried again.`,
      );
    else if (handshake.test(code))
      this.#faults.set(
        addressOf(url),
        `There is no TLS with this address (${said}): is it ws:// there? It is tried again.`,
      );
    else this.opened(url);
  }

  /** Whatever it was is over. */
  opened(url: string): void {
    this.#faults.delete(addressOf(url));
  }

  /** The notice, with the reasons that are known here. */
  explain(notice: Notice): Notice {
    if (notice.kind !== "AnchorsNotice" || this.#faults.size === 0) return notice;
    const anchors = notice.anchors.map(anchor => {
      const reason = anchor.state === "unreachable" ? this.#faults.get(addressOf(anchor.url)) : undefined;
      return reason === undefined ? anchor : { ...anchor, reason };
    });
    return { ...notice, anchors };
  }
}

// A dial names the network, too.
function addressOf(url: string): string {
  const address = new URL(url);
  address.searchParams.delete("network");
  return address.href;
}
