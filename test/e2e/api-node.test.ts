/** The whole API on the Node server, Redis by TCP: with local R2 and with a real Ceph as home. */
import { apiSuite } from "../suites/api/api.ts";
import { onCeph, onLocalR2 } from "../suites/api/grounds.ts";

apiSuite("node, local R2", () => onLocalR2("node"));
apiSuite("node, Ceph", () => onCeph("node"));
