import { engineFaultsSuite, transportFaultsSuite } from "../suites/transfer-faults.ts";

transportFaultsSuite("undici", { transport: "undici", threads: 0 });
transportFaultsSuite("raw sockets, two threads", { transport: "raw", threads: 2 });
engineFaultsSuite("raw sockets, two threads", { transport: "raw", threads: 2 });
