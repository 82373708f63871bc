/** Fields, dialogs, and text to be copied. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { type Acting, useAct } from "../core/load.ts";
import { t } from "../core/words.ts";
import { Button, Problem } from "./basics.tsx";

type FieldProps = {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: string;
  type?: "text" | "password" | "search" | "number" | "datetime-local";
  required?: boolean;
  placeholder?: string;
  autoFocus?: boolean;
};

export function Field({ label, value, onInput, hint, type = "text", required = false, placeholder, autoFocus = false }: FieldProps) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (autoFocus) input.current?.focus();
  }, [autoFocus]);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        ref={input}
        id={id}
        // Preact types each kind of input by itself.
        type={type as "text"}
        value={value}
        required={required}
        placeholder={placeholder}
        autocomplete="off"
        spellcheck={false}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {hint !== undefined && (
        <small id={`${id}-hint`} class="hint">
          {hint}
        </small>
      )}
    </div>
  );
}

export function Choice<V extends string>({
  label,
  value,
  of,
  onChange,
}: {
  label: string;
  value: V;
  of: readonly (readonly [V, string])[];
  onChange: (value: V) => void;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(of[event.currentTarget.selectedIndex]?.[0] ?? value)}>
        {of.map(([one, text]) => (
          <option key={one} value={one}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

export function Check({ label, value, onChange }: { label: string; value: boolean; onChange: (value: boolean) => void }) {
  return (
    <label class="check">
      <input type="checkbox" checked={value} onChange={(event) => onChange(event.currentTarget.checked)} /> {label}
    </label>
  );
}

/** A form that does something when it is sent; nothing goes anywhere by itself. */
export function Form({ onSend, children }: { onSend: () => void; children: ComponentChildren }) {
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onSend();
      }}
    >
      {children}
    </form>
  );
}

/** Above everything else until it is closed; Escape closes it. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    element.current?.showModal();
  }, []);
  return (
    <dialog ref={element} aria-labelledby={id} onClose={onClose}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

type AskProps = {
  open: string;
  title: string;
  kind?: "main" | "danger" | "plain";
  act: string;
  children: ComponentChildren;
  onAct: Parameters<Acting["run"]>[0];
  onDone: () => void;
  disabled?: boolean;
};

/** A button whose deed is asked about first. The dialog stays while it fails, and says why. */
export function Ask({ open, title, kind = "plain", act, children, onAct, onDone, disabled = false }: AskProps) {
  const [shown, setShown] = useState(false);
  const acting = useAct();
  const send = () =>
    acting.run(async (client) => {
      await onAct(client);
      setShown(false);
      onDone();
    });
  return (
    <>
      <Button kind={kind} onClick={() => setShown(true)} disabled={disabled}>
        {open}
      </Button>
      {shown && (
        <Dialog title={title} onClose={() => setShown(false)}>
          <Form onSend={send}>
            {children}
            <Problem problem={acting.problem} />
            <div class="actions end">
              <Button onClick={() => setShown(false)}>{t("cancel")}</Button>
              <Button type="submit" kind={kind === "danger" ? "danger" : "main"} busy={acting.busy}>
                {act}
              </Button>
            </div>
          </Form>
        </Dialog>
      )}
    </>
  );
}

/** Lines to be taken elsewhere. */
export function Snippet({ title, text }: { title: string; text: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    // Without a secure context there is no clipboard; the text can still be selected.
    await navigator.clipboard?.writeText(text).then(
      () => setCopied(true),
      () => {},
    );
  };
  return (
    <figure class="snippet">
      <figcaption>
        {title}
        <Button onClick={() => void copy()} label={`${t("copy")}: ${title}`}>
          {copied ? t("copied") : t("copy")}
        </Button>
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
    </figure>
  );
}

/** Steps through a list by cursors; `before` are the cursors of the pages that led here. */
export function Pager({ next, before, onGo }: { next: string | null; before: readonly string[]; onGo: (before: string[]) => void }) {
  if (next === null && before.length === 0) return null;
  return (
    <nav class="pager" aria-label={t("pages")}>
      <Button disabled={before.length === 0} onClick={() => onGo(before.slice(0, -1))}>
        {t("previous")}
      </Button>
      <span>{t("page", { number: before.length + 1 })}</span>
      <Button disabled={next === null} onClick={() => next !== null && onGo([...before, next])}>
        {t("next")}
      </Button>
    </nav>
  );
}
