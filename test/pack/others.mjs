// Brings the bundlers, frameworks and runtimes that the tests here want, before several of them want them at a time.
import { others } from "./support.mjs";

others();
