import { transferSuite } from "../../suites/transfer.ts";

transferSuite("undici", { transport: "undici", threads: 0 });
transferSuite("raw sockets", { transport: "raw", threads: 0 });
transferSuite("raw sockets, two threads", { transport: "raw", threads: 2 });
