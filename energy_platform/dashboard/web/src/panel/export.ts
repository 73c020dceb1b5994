/** CSV of what a panel shows, and how a file is handed to the viewer. */

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
