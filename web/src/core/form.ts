import { useState, type FormEvent } from 'react';
import { asFailure, type Failure } from './api';
import { noteFailure } from './live';
import { toast } from './store';

/** What somebody has put into a form. */
export class Fields {
  readonly data: FormData;
  constructor(private readonly form: HTMLFormElement) {
    this.data = new FormData(form);
  }
  /** Without the space around it. */
  text(name: string): string {
    return this.exactly(name).trim();
  }
  /** As it was typed: passwords. */
  exactly(name: string): string {
    return String(this.data.get(name) ?? '');
  }
  textOrNull(name: string): string | null {
    return this.text(name) || null;
  }
  number(name: string): number | null {
    const text = this.text(name);
    return text === '' ? null : Number(text);
  }
  all(name: string): string[] {
    return this.data.getAll(name).map(String);
  }
  has(name: string): boolean {
    return this.data.has(name);
  }
  reset(): void {
    this.form.reset();
  }
}

export interface Form {
  /** Something is on its way. */
  busy: boolean;
  /** What went wrong the last time, in words; empty while all is well. */
  trouble: string;
  failure: Failure | null;
  /** Does something; what goes wrong is shown, not thrown. */
  run: (work: () => Promise<unknown>) => void;
  /** For `onSubmit`. */
  submit: (work: (fields: Fields) => Promise<unknown>) => (event: FormEvent<HTMLFormElement>) => void;
  /** Takes what is said of the last time away. */
  clear: () => void;
}

/** Sends what somebody fills in, and says what came of it. `words` are for failures whose own words are not enough. */
export function useForm(words: (failure: Failure) => string | undefined = () => undefined): Form {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const run = (work: () => Promise<unknown>): void => {
    setBusy(true);
    setFailure(null);
    work().catch((error: unknown) => {
      noteFailure(error);
      setFailure(asFailure(error));
    }).finally(() => setBusy(false));
  };
  const submit = (work: (fields: Fields) => Promise<unknown>) => (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    run(async () => {
      try {
        await work(new Fields(form));
      } catch (error) {
        // What was typed blindly is typed again.
        form.querySelector<HTMLInputElement>('input[type="password"]')?.select();
        throw error;
      }
    });
  };
  return { busy, trouble: failure === null ? '' : words(failure) ?? failure.message, failure, run, submit, clear: () => setFailure(null) };
}

/** Does what a click asks for; what went wrong is said in a message after `what`. Answers whether it worked. */
export async function attempt(what: string, work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    noteFailure(error);
    toast(`${what} ${asFailure(error).message}`, { tone: 'bad' });
    return false;
  }
}
