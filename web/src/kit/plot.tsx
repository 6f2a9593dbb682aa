// Numbers over time. One plot for the whole page, drawn by uPlot; loaded with the pages that have plots.
import { useEffect, useRef, useState, type KeyboardEvent } from 'react';
import UPlot from 'uplot';
import './plot.css';

export type PlotTone = 'accent' | 'good' | 'wait' | 'bad' | 'muted';

export interface Line {
  name: string;
  tone: PlotTone;
  /** Lines differ in their dashes too, never in colour alone; none is a full line. */
  dash?: number[];
  fill?: boolean;
  values: (number | null)[];
}

interface Props {
  /** What the plot shows, in words. */
  label: string;
  /** Seconds since 1970, ascending. */
  at: number[];
  lines: Line[];
  /** How a value is written in the legend and on the axis. */
  show: (value: number) => string;
  /** The values are counts: the axis has no halves. */
  whole?: boolean;
  /** Height in rem. */
  height?: number;
}

const VARIABLE: Record<PlotTone, string> = { accent: '--accent', good: '--good', wait: '--wait', bad: '--bad', muted: '--muted' };

/** `#rrggbb` of a variable, with an alpha in hexadecimal. */
const colour = (style: CSSStyleDeclaration, tone: PlotTone, alpha = ''): string => style.getPropertyValue(VARIABLE[tone]).trim() + alpha;

/** Windows that hang on a wall. */
const FAR = '(min-width: 1900px)';

const two = (n: number): string => String(n).padStart(2, '0');

/** The time of day in the reader's own zone; without the seconds where they would say nothing. */
function clockWords(seconds: number, withSeconds: boolean): string {
  const date = new Date(seconds * 1000);
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
  return withSeconds ? `${clock}:${two(date.getSeconds())}` : clock;
}

/** The shortest time that is shown. */
const SHORTEST_S = 60;

/** Steps of an axis that counts. */
const WHOLE_STEPS = Array.from({ length: 9 }, (_, power) => [1, 2, 5].map((each) => each * 10 ** power)).flat();

function axes(style: CSSStyleDeclaration, rem: number, { show, whole }: Props): UPlot.Axis[] {
  // uPlot reads whole pixels only.
  const font = `${Math.round(0.857 * rem)}px ${style.fontFamily}`;
  const line = style.getPropertyValue('--line').trim();
  const common: UPlot.Axis = { font, stroke: colour(style, 'muted'), grid: { stroke: line, width: 1 }, ticks: { show: false }, gap: 4 };
  return [
    {
      ...common, size: 1.9 * rem, space: 5.5 * rem, grid: { show: false },
      values: (_plot, splits) => splits.map((each) => clockWords(each, (splits[splits.length - 1] ?? 0) - (splits[0] ?? 0) < 600)),
    },
    { ...common, size: 3.8 * rem, space: 2.6 * rem, ...(whole ? { incrs: WHOLE_STEPS } : {}), values: (_plot, splits) => splits.map(show) },
  ];
}

/** What has just begun has one point, at the end of the shortest time that is shown. */
const timeRange = (_plot: UPlot, low: number | null, high: number | null): [number | null, number | null] =>
  (low !== null && high !== null && high - low < SHORTEST_S ? [high - SHORTEST_S, high] : [low, high]);

function draw(holder: HTMLElement, props: Props, onCursor: (index: number | null) => void): UPlot {
  const style = getComputedStyle(holder);
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const series: UPlot.Series[] = props.lines.map((line) => ({
    label: line.name, stroke: colour(style, line.tone), width: Math.max(1.5, rem / 9), dash: line.dash?.map((each) => (each * rem) / 14),
    fill: line.fill ? colour(style, line.tone, '22') : undefined, points: { show: (_plot, _series, first, last) => last === first, size: rem / 2 }, spanGaps: true,
  }));
  return new UPlot({
    width: holder.clientWidth, height: (props.height ?? 14) * rem * (matchMedia(FAR).matches ? 1.4 : 1),
    // To the right, room for half of the last label, which may stand at the very end.
    padding: [null, 2.2 * rem, null, null], legend: { show: false }, cursor: { y: false, points: { size: rem / 2 } },
    scales: { x: { range: timeRange }, y: { range: (_plot, _low, high) => [0, Math.max(high * 1.08, 1)] } },
    axes: axes(style, rem, props), series: [{}, ...series],
    hooks: { setCursor: [(plot) => onCursor(plot.cursor.idx ?? null)] },
  }, dataOf(props), holder);
}

const dataOf = (props: Props): UPlot.AlignedData => [props.at, ...props.lines.map((line) => line.values)];

/** A number that changes when the plot's colours or letters do: another scheme, another size of the window's letters. */
function useLook(): number {
  const [look, setLook] = useState(0);
  useEffect(() => {
    const queries = ['(prefers-color-scheme: dark)', FAR, '(min-width: 2800px)'].map((query) => matchMedia(query));
    const changed = (): void => setLook((before) => before + 1);
    for (const query of queries) query.addEventListener('change', changed);
    return () => { for (const query of queries) query.removeEventListener('change', changed); };
  }, []);
  return look;
}

function Sample({ line }: { line: Line }) {
  return (
    <svg viewBox="0 0 24 8" width="24" height="8" aria-hidden="true" className={`plot-sample ${line.tone}`}>
      <line x1="0" y1="4" x2="24" y2="4" strokeDasharray={line.dash?.join(' ')} />
    </svg>
  );
}

export function Plot(props: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const newest = useRef(props);
  newest.current = props;
  const [cursor, setCursor] = useState<number | null>(null);
  const look = useLook();
  const shape = props.lines.map((line) => line.name).join(' ');

  useEffect(() => {
    const element = holder.current;
    if (!element) return undefined;
    const made = draw(element, newest.current, setCursor);
    plot.current = made;
    const watcher = new ResizeObserver(() => {
      if (element.clientWidth > 0 && element.clientWidth !== made.width) made.setSize({ width: element.clientWidth, height: made.height });
    });
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [look, shape]);
  useEffect(() => { plot.current?.setData(dataOf(props)); }, [props.at, props.lines]);

  const last = props.at.length - 1;
  const index = cursor !== null && cursor <= last ? cursor : last;
  const time = props.at[index];
  const move = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowLeft' ? -1 : event.key === 'ArrowRight' ? 1 : 0;
    const made = plot.current;
    if (step === 0 || !made) return;
    event.preventDefault();
    const next = Math.min(last, Math.max(0, index + step));
    made.setCursor({ left: made.valToPos(props.at[next] ?? 0, 'x'), top: 0 });
  };
  return (
    <figure className="plot">
      <figcaption>
        <b>{props.label}</b>
        <ul className="plot-legend">
          {props.lines.map((line) => {
            // Where a point has no value (nothing happened), the one before it still is the latest.
            const value = cursor === null ? [...line.values].reverse().find((each) => each !== null) : line.values[index];
            return <li key={line.name}><Sample line={line} />{line.name} <b>{value === null || value === undefined ? '–' : props.show(value)}</b></li>;
          })}
        </ul>
        <span className="muted plot-time">{time === undefined || cursor === null ? '' : clockWords(time, true)}</span>
      </figcaption>
      <div ref={holder} className="plot-area" tabIndex={0} role="img" aria-label={`${props.label}. Left and right go through the points.`} onKeyDown={move} />
    </figure>
  );
}
