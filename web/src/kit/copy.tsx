import { useEffect, useRef, useState } from 'react';
import { Icon } from './icon';

/** Copies text; works without TLS as well, where the clipboard API is not there. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'offscreen';
    document.body.append(area);
    const focused = document.activeElement;
    area.select();
    const worked = document.execCommand('copy');
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return worked;
  }
}

/** Copies; `label` puts a word beside the sign where the sign alone would not say what it is for. */
export function CopyButton({ text, what, label }: { text: string; what: string; label?: string }) {
  const [copied, setCopied] = useState<boolean | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  useEffect(() => () => clearTimeout(timer.current), []);
  const run = async (): Promise<void> => {
    setCopied(await copy(text));
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setCopied(null), 1600);
  };
  const says = copied === null ? `Copy ${what}` : copied ? 'Copied' : 'Copying is not allowed here';
  return (
    <button type="button" className={label ? 'quiet' : 'icon-button'} onClick={() => void run()} aria-label={says} title={says} data-copied={copied ?? undefined}>
      <Icon name={copied ? 'check' : 'copy'} />{label && (copied ? 'Copied' : label)}
    </button>
  );
}

/** Something that is shown only now, such as a new token. */
export function Fresh({ title, text, what }: { title: React.ReactNode; text: string; what: string }) {
  return (
    <div className="fresh" role="status">
      <p>{title}</p>
      <p className="fresh-token"><code>{text}</code><CopyButton text={text} what={what} /></p>
    </div>
  );
}
