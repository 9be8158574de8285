// A certificate for 127.0.0.1 that signs itself, in the DER of X.509 (RFC 5280).

import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";

/** Certificate and key as PEM. */
export function selfSigned(name: string): { cert: string; key: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "der" },
  });
  const ecdsaWithSha256 = sequence(node(0x06, Buffer.from("2a8648ce3d040302", "hex")));
  const issuer = sequence(
    node(0x31, sequence(node(0x06, Buffer.from("550403", "hex")), node(0x0c, Buffer.from(name)))),
  );
  const valid = sequence(node(0x17, Buffer.from("200101000000Z")), node(0x17, Buffer.from("491231235959Z")));
  const names = sequence(
    node(0x06, Buffer.from("551d11", "hex")),
    node(0x04, sequence(node(0x87, Buffer.from([127, 0, 0, 1])))),
  );
  const body = sequence(
    node(0xa0, node(0x02, Buffer.from([2]))),
    node(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    issuer,
    valid,
    issuer,
    publicKey,
    node(0xa3, sequence(names)),
  );
  const signature = sign("sha256", body, createPrivateKey(privateKey));
  const whole = sequence(body, ecdsaWithSha256, node(0x03, Buffer.concat([Buffer.from([0]), signature])));
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${whole.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`,
    key: privateKey,
  };
}

function node(tag: number, content: Buffer): Buffer {
  const size =
    content.length < 128
      ? [content.length]
      : content.length < 256
        ? [0x81, content.length]
        : [0x82, content.length >> 8, content.length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return node(0x30, Buffer.concat(parts));
}
