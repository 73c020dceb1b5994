/** A picture of a panel as it stands on the screen, whatever it is made of: text, tables, canvases, the map. */

const NOTE_PX = 20;
const EDGE_PX = 8;
/** What works on the panel and isn't part of what it says. */
const LEFT_OUT = 'details.tools, .panel-note';

/** Draw what is in view of a panel, with a note under it that says of what and of when it is. */
export function picture(panel: HTMLElement, note: string): Promise<Blob | null> {
  const scale = devicePixelRatio;
  const { left, top, width, height } = panel.getBoundingClientRect();
  const canvas = document.createElement('canvas');
  canvas.width = Math.ceil(width * scale);
  canvas.height = Math.ceil((height + NOTE_PX) * scale);
  const context = canvas.getContext('2d');
  if (context === null) return Promise.resolve(null);
  const theme = getComputedStyle(document.documentElement);
  context.scale(scale, scale);
  context.fillStyle = theme.getPropertyValue('--panel').trim();
  context.fillRect(0, 0, width, height + NOTE_PX);
  context.fillStyle = theme.getPropertyValue('--dim').trim();
  context.font = `11px ${getComputedStyle(panel).fontFamily}`;
  context.textBaseline = 'middle';
  context.fillText(note, EDGE_PX, height + NOTE_PX / 2, width - 2 * EDGE_PX);
  context.translate(-left, -top);
  drawElement(context, panel);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}

function drawElement(context: CanvasRenderingContext2D, element: Element): void {
  if (element.matches(LEFT_OUT) || !element.checkVisibility()) return;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  context.save();
  context.globalAlpha *= Number(style.opacity);
  if (element instanceof SVGGeometryElement) drawShape(context, element, style);
  else drawBox(context, box, style);
  if (style.overflowX !== 'visible' && element instanceof HTMLElement) {
    context.beginPath();
    context.rect(box.left, box.top, box.width, box.height);
    context.clip();
  }
  if (element instanceof HTMLCanvasElement && element.width > 0)
    context.drawImage(element, box.left, box.top, box.width, box.height);
  else if (element instanceof HTMLSelectElement)
    drawText(context, element.selectedOptions[0]?.text ?? '', box, style, EDGE_PX / 2);
  else
    for (const child of element.childNodes) {
      if (child instanceof Element) drawElement(context, child);
      else if (child instanceof Text) drawWords(context, child, style);
    }
  context.restore();
}

/** A background in one colour, and the bar behind a figure. */
function drawBox(context: CanvasRenderingContext2D, box: DOMRect, style: CSSStyleDeclaration): void {
  context.fillStyle = style.backgroundColor;
  context.fillRect(box.left, box.top, box.width, box.height);
  const bar = /^linear-gradient\((rgba?\([^)]*\))/.exec(style.backgroundImage)?.[1];
  const share = Number.parseFloat(style.getPropertyValue('--bar'));
  if (bar === undefined || Number.isNaN(share)) return;
  const long = (box.width * share) / 100;
  const isLeft = style.backgroundPositionX === '0%' || style.backgroundPositionX === 'left';
  context.fillStyle = bar;
  context.fillRect(isLeft ? box.left : box.right - long, box.top + 2, long, box.height - 4);
}

function drawWords(context: CanvasRenderingContext2D, node: Text, style: CSSStyleDeclaration): void {
  const range = document.createRange();
  range.selectNodeContents(node);
  const lines = [...range.getClientRects()];
  const [line] = lines;
  if (line === undefined) return;
  if (lines.length === 1) drawText(context, node.data.trim(), line, style, 0);
  else for (const part of wrapped(node)) drawText(context, part.text, part.box, style, 0);
}

/** The lines into which a text is broken on the screen. */
function wrapped(node: Text): { text: string; box: DOMRect }[] {
  const range = document.createRange();
  const found: { text: string; box: DOMRect }[] = [];
  for (const { index, 0: word } of node.data.matchAll(/\S+\s*/g)) {
    range.setStart(node, index);
    range.setEnd(node, index + word.length);
    const box = range.getBoundingClientRect();
    const last = found[found.length - 1];
    if (last !== undefined && Math.abs(last.box.top - box.top) < 2) last.text += word;
    else found.push({ text: word, box });
  }
  return found;
}

function drawText(
  context: CanvasRenderingContext2D,
  text: string,
  box: DOMRect,
  style: CSSStyleDeclaration,
  inset: number,
): void {
  context.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  const isShape = style.fill !== '' && style.textAnchor !== 'start';
  context.fillStyle = isShape ? style.fill : style.color;
  if (isShape && style.paintOrder.startsWith('stroke')) {
    context.strokeStyle = style.stroke;
    context.lineWidth = Number.parseFloat(style.strokeWidth);
    context.strokeText(text, box.left, box.top + box.height / 2);
  }
  context.fillText(text, box.left + inset, box.top + box.height / 2);
}

/** A line, a rectangle or a path of the map, where its own coordinates lie on the screen. */
function drawShape(
  context: CanvasRenderingContext2D,
  shape: SVGGeometryElement,
  style: CSSStyleDeclaration,
): void {
  const place = shape.getScreenCTM();
  if (place === null) return;
  const path = new Path2D();
  path.addPath(outline(shape), place);
  if (style.fill !== 'none') {
    context.fillStyle = style.fill;
    context.fill(path);
  }
  if (style.stroke === 'none') return;
  context.strokeStyle = style.stroke;
  context.lineWidth = Number.parseFloat(style.strokeWidth) * Math.hypot(place.a, place.b);
  context.stroke(path);
}

function outline(shape: SVGGeometryElement): Path2D {
  if (shape instanceof SVGPathElement) return new Path2D(shape.getAttribute('d') ?? '');
  const path = new Path2D();
  if (shape instanceof SVGLineElement) {
    path.moveTo(shape.x1.baseVal.value, shape.y1.baseVal.value);
    path.lineTo(shape.x2.baseVal.value, shape.y2.baseVal.value);
  } else if (shape instanceof SVGRectElement) {
    const { x, y, width, height } = shape;
    path.rect(x.baseVal.value, y.baseVal.value, width.baseVal.value, height.baseVal.value);
  }
  return path;
}
