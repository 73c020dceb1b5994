/** Exports of what a panel shows: CSV of its cells, PNG of its chart. */

/** CSV as spreadsheets read it; text that a spreadsheet would run as a formula is disarmed. */
export function csv(lines: readonly (readonly string[])[]): string {
  return lines.map((line) => line.map(field).join(',')).join('\r\n') + '\r\n';
}

const FIGURE = /^[+−-]?[\d\u202f]+(\.\d+)?$/;

function field(shown: string): string {
  const text = FIGURE.test(shown)
    ? shown
        .replace('−', '-')
        .replace(/\u202f/g, '')
        .replace(/^\+/, '')
    : /^[=+\-@\t\r＝＋－＠]/.test(shown)
      ? `'${shown}`
      : shown;
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

export function download(name: string, content: Blob): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A picture of a chart under its title and source. */
export function picture(chart: HTMLCanvasElement, title: string, note: string): Promise<Blob | null> {
  const scale = devicePixelRatio;
  const head = 40 * scale;
  const canvas = document.createElement('canvas');
  canvas.width = chart.width;
  canvas.height = chart.height + head;
  const context = canvas.getContext('2d');
  if (context === null) return Promise.resolve(null);
  const style = getComputedStyle(document.documentElement);
  context.fillStyle = style.getPropertyValue('--panel').trim();
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = style.getPropertyValue('--text').trim();
  context.font = `600 ${13 * scale}px Inter, sans-serif`;
  context.fillText(title, 8 * scale, 17 * scale);
  context.fillStyle = style.getPropertyValue('--dim').trim();
  context.font = `${11 * scale}px Inter, sans-serif`;
  context.fillText(note, 8 * scale, 33 * scale);
  context.drawImage(chart, 0, head);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}
