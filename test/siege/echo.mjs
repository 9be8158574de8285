// A bare echo over WebSocket, in a process of its own: what this machine can do at this moment. Prints its port.
import { WebSocketServer } from "ws";

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
server.on("connection", socket => socket.on("message", data => socket.send(data)));
server.on("listening", () => console.log(server.address().port));
