/** Small pieces that all pages are made of. */
import type { ComponentChildren, JSX } from "preact";
import { FerryError, problemOf } from "../../../../shared/errors.ts";
import type { Loading } from "../core/load.ts";
import { agoText, bytesText, numberText, shortId, timeText } from "../core/text.ts";
import { t } from "../core/words.ts";

export function Page({
  title,
  lead,
  actions,
  children,
}: {
  title: string;
  lead?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <>
      <header class="page-head">
        <div>
          <h1 tabIndex={-1}>{title}</h1>
          {lead !== undefined && <p class="lead">{lead}</p>}
        </div>
        {actions !== undefined && <div class="actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}

export function Section({ title, children, actions }: { title: string; children: ComponentChildren; actions?: ComponentChildren }) {
  return (
    <section class="section">
      <div class="section-head">
        <h2>{title}</h2>
        {actions}
      </div>
      {children}
    </section>
  );
}

type ButtonProps = {
  onClick?: () => void;
  kind?: "main" | "danger" | "plain";
  busy?: boolean;
  disabled?: boolean;
  type?: "button" | "submit";
  label?: string;
  children: ComponentChildren;
};

export function Button({ onClick, kind = "plain", busy = false, disabled = false, type = "button", label, children }: ButtonProps) {
  return (
    <button type={type} class={`button ${kind}`} onClick={onClick} disabled={disabled || busy} aria-busy={busy} aria-label={label}>
      {children}
    </button>
  );
}

/** What went wrong, why, and what to do; nothing when there is no problem. */
export function Problem({ problem }: { problem: unknown }) {
  if (problem === null || problem === undefined) return null;
  const ferry = problem instanceof FerryError ? problem : null;
  const requestId = ferry?.details["requestId"];
  return (
    <div class="notice bad" role="alert">
      <strong>{t("problem.title")}</strong> <span>{problemOf(problem)}</span>
      {ferry !== null && <span class="next">{ferry.next}</span>}
      {ferry !== null && (
        <small>
          {ferry.code}
          {typeof requestId === "string" && `, ${t("problem.request")} ${requestId}`}
        </small>
      )}
    </div>
  );
}

export function Notice({ kind = "info", children }: { kind?: "info" | "good" | "warn" | "bad"; children: ComponentChildren }) {
  return (
    <div class={`notice ${kind}`} role="status">
      {children}
    </div>
  );
}

/** Shows `children` of the data once it is there; the last data stays while newer comes. */
export function Loaded<T>({ of, children }: { of: Loading<T>; children: (data: T) => ComponentChildren }) {
  return (
    <div aria-busy={of.busy}>
      <Problem problem={of.problem} />
      {of.data !== null ? children(of.data) : of.problem === null && <p class="waiting">{t("waiting")}</p>}
    </div>
  );
}

export function Time({ at, ago = false }: { at: string | null; ago?: boolean }) {
  if (at === null) return <span class="faint">{t("never")}</span>;
  return (
    <time dateTime={at} title={timeText(at)}>
      {ago ? agoText(at, Date.now()) : timeText(at)}
    </time>
  );
}

export function Id({ id }: { id: string }) {
  return (
    <code class="id" title={id}>
      {shortId(id)}
    </code>
  );
}

export function Bytes({ of }: { of: number }) {
  return <span title={`${numberText(of)} B`}>{bytesText(of)}</span>;
}

export function Badge({ kind = "plain", children }: { kind?: "plain" | "good" | "warn" | "bad"; children: ComponentChildren }) {
  return <span class={`badge ${kind}`}>{children}</span>;
}

/** Words and their values, as a list of definitions; what is null is left out. */
export function Facts({ of }: { of: readonly (readonly [string, ComponentChildren | null])[] }) {
  return (
    <dl class="facts">
      {of
        .filter(([, value]) => value !== null)
        .map(([word, value]) => (
          <div key={word}>
            <dt>{word}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

export type Column<T> = { title: string; cell: (row: T) => ComponentChildren; right?: boolean; wide?: boolean };

/** `caption` names the table for who can't see it. */
export function Table<T>({
  caption,
  columns,
  rows,
  keyOf,
  empty,
}: {
  caption: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  keyOf: (row: T) => string;
  empty?: string;
}) {
  if (rows.length === 0) return <p class="empty">{empty ?? t("empty")}</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
    <section class="scroll" tabIndex={0} aria-label={caption}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ title, right }) => (
              <th key={title} scope="col" class={right ? "right" : undefined}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ title, cell, right, wide }) => (
                <td key={title} class={[right ? "right" : "", wide ? "wide" : ""].join(" ").trim() || undefined}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

export function Tile({ title, value, note }: { title: string; value: ComponentChildren; note?: ComponentChildren }) {
  return (
    <div class="tile">
      <div class="tile-title">{title}</div>
      <div class="tile-value">{value}</div>
      {note !== undefined && <div class="tile-note">{note}</div>}
    </div>
  );
}

/** A bar from 0 to 1; drawn by the browser, so that no style is inline. */
export function Bar({ share, label }: { share: number; label: string }): JSX.Element {
  return <progress max={1} value={Math.min(1, Math.max(0, share))} aria-label={label} />;
}
