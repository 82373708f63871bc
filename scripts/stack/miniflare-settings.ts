/** What every miniflare of the stack is told: this machine only, no questions to the internet, no request log. */
export const QUIET = {
  host: "127.0.0.1",
  cf: false,
  logRequests: false,
  enableDevRegistry: false,
  telemetry: { enabled: false },
};
