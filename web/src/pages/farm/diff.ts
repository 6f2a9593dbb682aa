// What changes between two texts, line by line.

export interface DiffLine {
  kind: 'same' | 'gone' | 'new';
  text: string;
  /** Its number in the new text; of a line that goes, in the old one. */
  line: number;
}

/** Texts with more lines than this are not compared line by line: the table below grows with the square. */
const MOST_LINES = 2000;

/** The shortest way from `before` to `after` (longest common subsequence); equal beginnings and ends cost nothing. */
export function diffLines(before: string, after: string): DiffLine[] {
  const old = before.split('\n');
  const young = after.split('\n');
  let start = 0;
  while (start < old.length && start < young.length && old[start] === young[start]) start++;
  let end = 0;
  while (end < old.length - start && end < young.length - start && old[old.length - 1 - end] === young[young.length - 1 - end]) end++;
  const same = (from: number, to: number): DiffLine[] => young.slice(from, to).map((text, index) => ({ kind: 'same', text, line: from + index + 1 }));
  return [
    ...same(0, start),
    ...middle(old.slice(start, old.length - end), young.slice(start, young.length - end), start),
    ...same(young.length - end, young.length),
  ];
}

function middle(old: string[], young: string[], offset: number): DiffLine[] {
  const gone = (index: number): DiffLine => ({ kind: 'gone', text: old[index] ?? '', line: offset + index + 1 });
  const fresh = (index: number): DiffLine => ({ kind: 'new', text: young[index] ?? '', line: offset + index + 1 });
  if (old.length > MOST_LINES || young.length > MOST_LINES) return [...old.map((_, index) => gone(index)), ...young.map((_, index) => fresh(index))];
  const width = young.length + 1;
  // common[i * width + j]: lines that old from i on and young from j on have in common, in order.
  const common = new Uint16Array((old.length + 1) * width);
  const at = (i: number, j: number): number => common[i * width + j] ?? 0;
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = young.length - 1; j >= 0; j--) {
      common[i * width + j] = old[i] === young[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < young.length) {
    if (i < old.length && j < young.length && old[i] === young[j]) {
      lines.push({ kind: 'same', text: young[j] ?? '', line: offset + j + 1 });
      i++;
      j++;
    } else if (i < old.length && (j >= young.length || at(i + 1, j) >= at(i, j + 1))) lines.push(gone(i++));
    else lines.push(fresh(j++));
  }
  return lines;
}

/** The changed lines with `around` unchanged ones on each side; null stands for what is left out between. */
export function changesOf(lines: DiffLine[], around = 2): (DiffLine | null)[] {
  const near = lines.map(() => false);
  lines.forEach((line, index) => {
    if (line.kind !== 'same') near.fill(true, Math.max(0, index - around), Math.min(lines.length, index + around + 1));
  });
  const shown: (DiffLine | null)[] = [];
  lines.forEach((line, index) => {
    if (near[index]) shown.push(line);
    else if (index > 0 && near[index - 1] && near.indexOf(true, index) >= 0) shown.push(null);
  });
  return shown;
}
