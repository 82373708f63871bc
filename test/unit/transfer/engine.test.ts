import { localFilesSuite, transferSuite } from "../../suites/transfer.ts";

transferSuite("undici", { transport: "undici", threads: 0 });
for (const threads of [0, 2]) {
  const name = threads === 0 ? "raw sockets" : "raw sockets, two threads";
  transferSuite(name, { transport: "raw", threads });
  localFilesSuite(name, { transport: "raw", threads });
}
