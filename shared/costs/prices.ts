/**
 * What providers ask for, one row each, with where it was read and when. List prices of the cheapest usual region, in units of money for a
 * unit of use, without taxes and what was negotiated; `ferry cost --prices` takes others from a file of this form. GB is 10^9 bytes.
 */
import * as z from "zod";

const amount = z.number().min(0);
/** The day on which somebody read `source`, or a copy of it; null: as it is commonly known, and to be looked at before it is relied on. */
const readOn = z.iso.date().nullable();

/** A store. Prices for a month; `included`: free each month. */
export const StorePrice = z.strictObject({
  currency: z.string().length(3),
  storedGb: amount,
  millionA: amount,
  millionB: amount,
  /** To the internet; within one cloud it is mostly free. */
  egressGb: amount,
  included: z.strictObject({ storedGb: amount, millionA: amount, millionB: amount, egressGb: amount }),
  source: z.string(),
  readOn,
});
export type StorePrice = z.infer<typeof StorePrice>;

/** A managed Redis that bills commands. */
export const IndexPrice = z.strictObject({
  currency: z.string().length(3),
  millionCommands: amount,
  trafficGb: amount,
  included: z.strictObject({ trafficGb: amount }),
  source: z.string(),
  readOn,
});
export type IndexPrice = z.infer<typeof IndexPrice>;

/** What runs the app. */
export const RuntimePrice = z.strictObject({
  currency: z.string().length(3),
  month: amount,
  millionRequests: amount,
  included: z.strictObject({ millionRequests: amount }),
  source: z.string(),
  readOn,
});
export type RuntimePrice = z.infer<typeof RuntimePrice>;

/** Stores by the provider that their profile names. A provider without a row costs what its machines cost. */
export const Prices = z.strictObject({
  stores: z.record(z.string(), StorePrice),
  index: z.record(z.string(), IndexPrice),
  runtime: z.record(z.string(), RuntimePrice),
});
export type Prices = z.infer<typeof Prices>;

const NOTHING = { storedGb: 0, millionA: 0, millionB: 0, egressGb: 0 };

export const PRICES: Prices = {
  stores: {
    r2: {
      currency: "USD",
      storedGb: 0.015,
      millionA: 4.5,
      millionB: 0.36,
      egressGb: 0,
      included: { storedGb: 10, millionA: 1, millionB: 10, egressGb: 0 },
      source: "https://developers.cloudflare.com/r2/pricing/ (Standard)",
      readOn: "2026-11-24",
    },
    aws: {
      currency: "USD",
      storedGb: 0.023,
      millionA: 5,
      millionB: 0.4,
      egressGb: 0.09,
      included: { ...NOTHING, egressGb: 100 },
      source: "https://aws.amazon.com/s3/pricing/ (S3 Standard, us-east-1, first tier)",
      readOn: null,
    },
    gcs: {
      currency: "USD",
      storedGb: 0.02,
      millionA: 5,
      millionB: 0.4,
      egressGb: 0.12,
      included: NOTHING,
      source: "https://cloud.google.com/storage/pricing (Standard, us-central1)",
      readOn: null,
    },
    oss: {
      currency: "CNY",
      storedGb: 0.12,
      millionA: 1,
      millionB: 1,
      egressGb: 0.5,
      included: NOTHING,
      source: "https://www.aliyun.com/price/product#/oss/detail (Standard, LRS, mainland China, by day)",
      readOn: null,
    },
  },
  index: {
    upstash: {
      currency: "USD",
      millionCommands: 2,
      trafficGb: 0.03,
      included: { trafficGb: 200 },
      source: "https://upstash.com/pricing/redis (Pay as You Go; storage of the first GB is free)",
      readOn: "2026-11-09",
    },
  },
  runtime: {
    workers: {
      currency: "USD",
      month: 5,
      millionRequests: 0.3,
      included: { millionRequests: 10 },
      source: "https://developers.cloudflare.com/workers/platform/pricing/ (Paid; CPU beyond 30 million ms a month is not counted here)",
      readOn: "2026-08-03",
    },
  },
};
