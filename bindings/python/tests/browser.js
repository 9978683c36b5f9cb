// Enough of a browser to run the page of a trace in, for test_commands.py: it counts what is drawn.
const fs = require("fs"), page = fs.readFileSync(process.argv[2], "utf8");
const scripts = [...page.matchAll(/<script[^>]*>([^]*?)<\/script>/g)].map((found) => found[1]);
let rectangles = 0, frames = [], texts = new Set();
const context = new Proxy({}, { get: (target, name) => target[name] ?? (() => {}), set: (target, name, value) => {
  target[name] = value; return true; } });
context.fillRect = (x, y, wide, tall) => {
  if (![x, y, wide, tall].every(Number.isFinite)) throw new Error("drawn nowhere");
  rectangles++;
};
context.fillText = (text) => texts.add(String(text));
const handlers = {};
const element = (id) => ({ id, style: {}, textContent: id === "data" ? scripts[0] : "", clientWidth: 1170, clientHeight: 600,
  offsetWidth: 100, offsetHeight: 50, getContext: () => context, getBoundingClientRect: () => ({ left: 0, top: 0 }),
  addEventListener: (kind, handle) => { handlers[id + " " + kind] = handle; }, setPointerCapture() {},
  replaceChildren(...parts) { this.textContent = parts.map((part) => part.textContent ?? part).join("\n"); } });
const elements = {};
global.document = { documentElement: {}, getElementById: (id) => elements[id] ??= element(id), createElement: element };
global.window = { devicePixelRatio: 1 };
Object.assign(global, { innerWidth: 1170, innerHeight: 600, getComputedStyle: () => ({ getPropertyValue: () => "#000" }),
  requestAnimationFrame: (paint) => frames.push(paint), matchMedia: () => ({ addEventListener() {} }),
  ResizeObserver: class { observe() {} } });
const frame = () => { rectangles = 0; texts.clear(); for (const paint of frames.splice(0)) paint(); return rectangles; };
const said = new Function(scripts[1] + "; return { slices, place: () => ({ from, scale }) };")();
const at = (x, y) => ({ clientX: x, clientY: y, preventDefault() {}, deltaX: 0, deltaY: 0, deltaMode: 0 });
const all = frame(), shown = [...texts], whole = said.place();
handlers["canvas wheel"]({ ...at(500, 50), deltaY: -700 });
const closer = frame(), near = said.place();
handlers["canvas keydown"]({ key: "Home", preventDefault() {} });
frame();
const tips = [];
for (let y = 24; y < 600; y += 9) for (let x = 170; x < 1170; x += 10) {
  elements.tip.style.display = "none";
  handlers["canvas pointermove"](at(x, y));
  if (elements.tip.style.display === "block") tips.push(elements.tip.textContent);
}
handlers["find input"]({ target: { value: "task" } });
frame();
console.log(JSON.stringify({ slices: said.slices, all, shown, closer, whole, near, back: said.place(), tips }));
