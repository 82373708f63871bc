import { transferFaultsSuite } from "../suites/transfer-faults.ts";

transferFaultsSuite("undici", { transport: "undici", threads: 0 });
transferFaultsSuite("raw sockets, two threads", { transport: "raw", threads: 2 });
