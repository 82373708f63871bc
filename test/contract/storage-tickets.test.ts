/** The ticket suite on memory and on real S3 servers. */
import { ticketSuite } from "../suites/tickets.ts";
import { cephStand, localR2Stand, memoryStand } from "../support/storage-stands.ts";

ticketSuite("memory", { real: false, modes: ["payload", "checksum", "md5"], open: memoryStand });
ticketSuite("local R2", { real: true, modes: ["payload", "md5"], open: localR2Stand });
ticketSuite("Ceph", { real: true, modes: ["payload", "md5"], open: cephStand });
