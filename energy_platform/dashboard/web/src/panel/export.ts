/** CSV of what a panel shows, and how a file is handed to the viewer. */

/**
 * CSV as spreadsheets read it; text that a spreadsheet would run as a formula is disarmed, by the rule of
 * `energy_platform/encodings/spreadsheet.py`.
 */
export function csv(lines: readonly (readonly string[])[]): string {
  return lines.map((line) => line.map(field).join(',')).join('\r\n') + '\r\n';
}

const FIGURE = /^[+−-]?[\d\u202f]+(\.\d+)?$/;
const FORMULA = /^(\s*[=+\-@＝＋－＠]|[\t\r\n])/;
/** A formula in a field that a spreadsheet makes of the rest of one. */
const LATER_FORMULA = /([;\t\r\n]\s*)([=+\-@＝＋－＠])/g;

function field(shown: string): string {
  const text = FIGURE.test(shown)
    ? shown
        .replace('−', '-')
        .replace(/\u202f/g, '')
        .replace(/^\+/, '')
    : shown.replace(LATER_FORMULA, "$1'$2").replace(FORMULA, "'$1");
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

export function download(name: string, content: Blob): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
