// Who waits for a place to start: how many are ahead, and how long it will still be.
import { useRef } from 'react';
import { useTenths } from '../../core/clock';
import type { Instance } from '../../core/openapi';
import { useStore } from '../../core/store';
import { Bar } from '../../kit/bar';
import { lineWords, waitWords } from './words';

/**
 * The server's estimate was true when it was heard; until the next one the page counts it down. The bar runs from the
 * press of Start to the estimated end and never runs back: a wait that became longer makes it stand still.
 */
export function QueueWait({ instance }: { instance: Instance }) {
  const { heard } = useStore();
  const now = useTenths();
  const furthest = useRef(0);
  const place = instance.queue;
  const since = Math.max(0, now - (heard[instance.id] ?? now));
  const left = typeof place?.eta_ms === 'number' ? place.eta_ms - since : null;
  const spent = Math.max(0, now - Date.parse(instance.created_at));
  const share = left === null ? 0 : Math.min(0.98, spent / Math.max(1, spent + Math.max(0, left)));
  furthest.current = Math.max(furthest.current, share);
  const ahead = place ? place.position - 1 : 0;
  const line = place ? lineWords(place.position) : 'Waiting for a place';
  const until = left === null ? '' : waitWords(left);
  return (
    <div className="progress">
      <div className="progress-words">
        <span className="progress-step"><b>{line}</b></span>
        {ahead > 0 && <span className="muted">{ahead} ahead of you</span>}
        <span className="spring" />
        {until && <span className="progress-time">{until}<span className="muted"> until it runs</span></span>}
      </div>
      <Bar
        label={`Waiting to start, ${line.toLowerCase()}`} share={furthest.current} tone="wait" unknown={left === null}
        text={until ? `${line}, ${until}` : line}
      />
      <p className="card-text muted">Many start at this moment. Yours begins by itself when its turn comes.</p>
    </div>
  );
}
