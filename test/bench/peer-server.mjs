// PeerJS's own server on a free port, which it prints.
import { PeerServer } from "peer";

PeerServer({ port: 0, host: "127.0.0.1" }, server => console.log(server.address().port));
