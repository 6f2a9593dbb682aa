import { useEffect, useRef, type ReactNode } from 'react';
import { Icon } from './icon';

/** A window over the page; Esc, its cross and a click beside it close it. */
export function Dialog({ shown, hide, id, title, className, children }: {
  shown: boolean; hide: () => void; id: string; title: string; className?: string; children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (!shown) dialog.current?.close();
    else if (!dialog.current?.open) {
      dialog.current?.showModal();
      dialog.current?.querySelector<HTMLElement>('textarea, input:not([hidden])')?.focus();
    }
  }, [shown]);
  return (
    <dialog ref={dialog} className={className} onClose={hide} onClick={(event) => { if (event.target === dialog.current) hide(); }} aria-labelledby={`${id}-title`}>
      <div className="section-head"><h2 id={`${id}-title`}>{title}</h2><span className="spring" /><button type="button" className="icon-button" onClick={hide} aria-label="Close"><Icon name="close" /></button></div>
      {children}
    </dialog>
  );
}
