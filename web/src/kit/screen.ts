// A terminal's screen in the page. What it shows was written by a machine that may be anybody's.
import { Terminal as Xterm, type ITerminalOptions } from '@xterm/xterm';
import { lawfulDocument } from './document';

/** What a sequence may ask to be done so many times: more is larger than any screen, and would hang the page or fill its memory. */
const MOST_TIMES = 10_000;
/** Sequences that xterm.js carries out as often as they say, one time after the other (`CSI 2147483647 b` wants 8 GB). */
const REPEATED = [...'@ABCDEFILMPSTXZabe'];

function isTooMuch(params: (number | number[])[]): boolean {
  return params.some((each) => typeof each === 'number' && each > MOST_TIMES);
}

function themeOf(element: HTMLElement): ITerminalOptions['theme'] {
  const style = getComputedStyle(element);
  const of = (name: string): string => style.getPropertyValue(name).trim();
  return {
    background: of('--sunken'), foreground: of('--text'), cursor: of('--accent'), cursorAccent: of('--sunken'),
    selectionBackground: of('--accent-fill'), selectionForeground: of('--on-accent'), selectionInactiveBackground: of('--line-strong'),
  };
}

/** A screen in `holder`, in the page's colours whichever they are; and how to take it away again. */
export function makeScreen(holder: HTMLElement, options: ITerminalOptions): { screen: Xterm; dispose: () => void } {
  const style = getComputedStyle(holder);
  const screen = new Xterm({
    documentOverride: lawfulDocument(), fontFamily: style.fontFamily, fontSize: parseFloat(style.fontSize), theme: themeOf(holder),
    minimumContrastRatio: 4.5, ...options,
  });
  for (const final of REPEATED) screen.parser.registerCsiHandler({ final }, isTooMuch);
  screen.open(holder);
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  const recolour = (): void => { screen.options.theme = themeOf(holder); };
  scheme.addEventListener('change', recolour);
  return {
    screen,
    dispose: () => {
      scheme.removeEventListener('change', recolour);
      screen.dispose();
    },
  };
}
