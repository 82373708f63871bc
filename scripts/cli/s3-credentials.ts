/** `ferry s3-credentials`: what S3 clients need, made of a token by an agent's S3 door. */
import type { Command } from "commander";
import * as z from "zod";
import type { Act } from "./act.ts";
import { GlobalFlags } from "./cli.ts";
import { atDesk, DOOR_HELP, DoorFlag, doorOf } from "./s3-at.ts";

const FORMATS = ["env", "aws", "rclone", "s3cmd"] as const;

const Credentials = GlobalFlags.extend({
  args: z.tuple([]),
  door: DoorFlag,
  format: z.enum(FORMATS, `it is none of ${FORMATS.join(", ")}`).default("env"),
  profile: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, "letters, digits, '_' and '-'")
    .default("ferry"),
});

const Answer = z.object({ accessKeyId: z.string(), secretAccessKey: z.string() });
type Made = z.infer<typeof Answer> & { endpoint: string };

export function addS3Credentials(program: Command, act: Act): void {
  program
    .command("s3-credentials")
    .summary("Make credentials for S3 clients from the token.")
    .description(
      "Make credentials for S3 clients from the token of the login: they may what the token may, as long as it may, and only at the S3 door that made them and those with its key (`ferry agent --s3`). Nothing is stored; revoke the token to end them.",
    )
    .option("--door <url>", DOOR_HELP)
    .option("--format <how>", "env: for a shell; aws: for ~/.aws/credentials; rclone, s3cmd: for their configuration (default: env)")
    .option("--profile <name>", "its name there (default: ferry)")
    .action(
      act(Credentials, async (cli, { door: flag, format, profile }) => {
        const door = doorOf(cli, flag);
        const made = { endpoint: door, ...(await atDesk(cli, door, { method: "POST", path: "/-/credentials" }, Answer)) };
        cli.answer({ ...made, region: REGION }, TEXTS[format](made, profile));
      }),
    );
}

const REGION = "us-east-1";

const TEXTS: Readonly<Record<(typeof FORMATS)[number], (made: Made, profile: string) => string>> = {
  env: ({ endpoint, accessKeyId, secretAccessKey }) =>
    lines(
      `export AWS_ACCESS_KEY_ID=${accessKeyId}`,
      `export AWS_SECRET_ACCESS_KEY=${secretAccessKey}`,
      `export AWS_ENDPOINT_URL=${endpoint}`,
      `export S3_ENDPOINT_URL=${endpoint}`,
      `export AWS_REGION=${REGION}`,
    ),
  aws: ({ endpoint, accessKeyId, secretAccessKey }, profile) =>
    lines(
      `[${profile}]`,
      `aws_access_key_id = ${accessKeyId}`,
      `aws_secret_access_key = ${secretAccessKey}`,
      `endpoint_url = ${endpoint}`,
      `region = ${REGION}`,
    ),
  rclone: ({ endpoint, accessKeyId, secretAccessKey }, profile) =>
    lines(
      `[${profile}]`,
      "type = s3",
      "provider = Other",
      `access_key_id = ${accessKeyId}`,
      `secret_access_key = ${secretAccessKey}`,
      `endpoint = ${endpoint}`,
      `region = ${REGION}`,
      "force_path_style = true",
    ),
  s3cmd: ({ endpoint, accessKeyId, secretAccessKey }) => {
    const { host, protocol } = new URL(endpoint);
    return lines(
      "[default]",
      `access_key = ${accessKeyId}`,
      `secret_key = ${secretAccessKey}`,
      `host_base = ${host}`,
      `host_bucket = ${host}`,
      `bucket_location = ${REGION}`,
      `use_https = ${protocol === "https:" ? "True" : "False"}`,
    );
  },
};

function lines(...all: string[]): string {
  return all.map((line) => `${line}\n`).join("");
}
