// The anchor's STUN, held to the sample addresses of RFC 5769 and asked over real UDP.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, test } from "node:test";
import { answerTo, StunServer } from "../../../web/anchor/stun.js";
import { check, same } from "../support/check.js";
import { startAnchor } from "./shipped.js";

const transaction = "b7e7a701bc34d686fa87dfae";
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const request = (attributes = ""): Buffer => {
  const body = hex(attributes);
  return Buffer.concat([hex(`0001 ${body.length.toString(16).padStart(4, "0")} 2112a442 ${transaction}`), body]);
};

describe("an anchor answers STUN", () => {
  test("with the address and port that a request came from, as in RFC 5769", () => {
    const v4 = answerTo(request(), { address: "192.0.2.1", port: 32853 });
    same(v4?.toString("hex"), `0101000c2112a442${transaction}002000080001a147e112a643`);
    const v6 = answerTo(request(), { address: "2001:db8:1234:5678:11:2233:4455:6677", port: 32853 });
    same(v6?.toString("hex"), `010100182112a442${transaction}002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9`);
    same(answerTo(request(), { address: "::ffff:192.0.2.1", port: 32853 })?.toString("hex"), v4?.toString("hex"));
    same(answerTo(request(), { address: "::1", port: 1 })?.length, 44);
  });

  test("whatever optional attributes a request carries; one that must be understood and is not gets 420 and its number", () => {
    same(answerTo(request("8022 0003 61626300"), { address: "192.0.2.1", port: 1 })?.readUInt16BE(0), 0x0101);
    const refused = answerTo(request("0003 0004 00000006"), { address: "192.0.2.1", port: 1 });
    same(refused?.toString("hex"), `011100102112a442${transaction}0009000400000414000a000200030000`);
  });

  test("to nothing else: cut, padded, long or foreign datagrams get no answer", () => {
    const from = { address: "192.0.2.1", port: 1 };
    const good = request("8022 0004 61626364");
    for (let length = 0; length < good.length; length++) same(answerTo(good.subarray(0, length), from), undefined);
    same(answerTo(Buffer.concat([good, Buffer.alloc(4)]), from), undefined);
    same(answerTo(request("8022 0005 61626364"), from), undefined);
    same(answerTo(request("8022 0400" + "00".repeat(1024)), from), undefined);
    same(answerTo(hex(`0011 0000 2112a442 ${transaction}`), from), undefined);
    same(answerTo(hex(`0001 0000 00000000 ${transaction}`), from), undefined);
    same(answerTo(answerTo(request(), from) ?? Buffer.alloc(0), from), undefined);
  });

  test("over UDP at the number of its own port, and counts what it answered", async () => {
    await using anchor = await startAnchor({ data: ":memory:", port: 0 });
    const { port } = new URL(anchor.url);
    const socket = createSocket("udp4");
    socket.send(request(), Number(port), "127.0.0.1");
    const [answer] = (await once(socket, "message")) as [Buffer];
    const own = socket.address().port;
    socket.close();
    same(answer.readUInt16BE(26) ^ 0x2112, own);
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    check(/^perdure_stun_requests_total 1$/m.test(metrics), "the metrics count it");
  });

  test("and does without where the port is taken", async () => {
    const first = await StunServer.listen("127.0.0.1", 0);
    same(await StunServer.listen("127.0.0.1", first?.port ?? 0), undefined);
    first?.close();
  });
});
