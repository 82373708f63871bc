/** Preloaded (`node --import`) into programs that know nothing of the local stack: when the process that started them is gone, they are asked to end. */
process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
// The channel alone must not keep the program alive.
process.channel?.unref();
