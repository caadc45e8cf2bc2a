'use strict';

// The page only shows what it gets: the till's operations and health, the buyer's display, the
// service's newest payment, the log. It keeps the basket, and which sale is the present one.

const GOODS = [
  { id: 'bread', name: 'Хлеб', en: 'bread', price: 245 },
  { id: 'milk', name: 'Молоко', en: 'milk', price: 229 },
  { id: 'cheese', name: 'Сыр', en: 'cheese', price: 760 },
  { id: 'apples', name: 'Яблоки', en: 'apples', price: 390 },
  { id: 'tea', name: 'Чай', en: 'tea', price: 515 },
  { id: 'daisies', name: 'Ромашки', en: 'daisies', price: 1400 },
];
const FINAL = ['done', 'declined', 'not_enough_money', 'expired', 'cancelled', 'failed'];
const PAYMENT = { pending: 0, paid: 1, cancelled: 5 };
const LOG_LINES = 400;

const page = {
  basket: new Map([['bread', 1], ['milk', 1], ['cheese', 1]]),
  sale: null, // the operation as last received
  closed: false, // its receipt was paid: the next click on goods begins a new one
  sending: false, // an action of the cashier is under way
  payment: null, // the newest payment of the service
  network: null, // how the line to the service behaves
  joinedSale: null, // the id of the sale whose QR or code the buyer has taken
  typed: '',
  qr: null, // { sale, text } of the drawn buyer's code
  scene: null, // the number of the picture on the buyer's display
  refused: null, // why the last sale was not begun
  shown: null, // { sale, code, renewals }: what the display was last seen to show for the sale
  looking: false, // the till is being asked for that
  lookAgain: false, // and something has changed meanwhile
};

const $ = (id) => document.getElementById(id);

/** An element with a text; texts from outside never become markup. */
function element(name, text = '', attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function english(text, name = 'small') {
  return element(name, text, { lang: 'en' });
}

function money(kopecks) {
  return `${Math.floor(kopecks / 100)},${String(kopecks % 100).padStart(2, '0')}`;
}

/** Calls the demo's server; answers with the parsed body, or null; throws an Error with the words for a person. */
async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error('Демонстрация остановлена');
  }
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    answer = null;
  }
  if (!response.ok) throw new Error(answer?.detail ?? `Ответ ${response.status}`);
  return answer;
}

// --- The receipt -----------------------------------------------------------------------------

function total() {
  return GOODS.reduce((sum, good) => sum + good.price * (page.basket.get(good.id) ?? 0), 0);
}

function isBusy() {
  return page.sending || (page.sale !== null && !FINAL.includes(page.sale.state));
}

function changeBasket(id, by) {
  if (page.closed) startReceipt();
  page.refused = null;
  const count = (page.basket.get(id) ?? 0) + by;
  if (count > 0 && count < 100) page.basket.set(id, count);
  if (count <= 0) page.basket.delete(id);
  draw();
}

function startReceipt() {
  page.basket.clear();
  page.closed = false;
  page.sale = null;
  $('timeline').replaceChildren();
  draw();
}

function drawReceipt() {
  const lines = GOODS.filter((good) => page.basket.has(good.id)).map((good) => {
    const count = page.basket.get(good.id);
    const line = element('li');
    const less = element('button', '−', { type: 'button', 'aria-label': `Убрать: ${good.name}` });
    less.disabled = isBusy();
    less.addEventListener('click', () => changeBasket(good.id, -1));
    const name = count > 1 ? `${good.name} × ${count}` : good.name;
    line.append(element('span', name), element('span', money(good.price * count)), less);
    return line;
  });
  if (lines.length === 0) lines.push(element('li', 'Выберите товары', { class: 'none' }));
  $('basket').replaceChildren(...lines);
  $('total').textContent = money(total());
  $('pay').textContent = page.closed ? 'Новый чек ' : `Оплатить ${money(total())} `;
  $('pay').append(english(page.closed ? 'next receipt' : 'pay'));
  $('pay').disabled = isBusy() || (total() === 0 && !page.closed);
  $('abort').disabled = page.sending || !isBusy();
  document.querySelectorAll('#goods button').forEach((button) => { button.disabled = isBusy(); });
  document.querySelector('.modes').disabled = isBusy();
}

// --- The cashier's operation -----------------------------------------------------------------

async function pay() {
  if (page.closed) {
    startReceipt();
    return;
  }
  const id = `demo-${Date.now().toString(36)}`;
  const items = GOODS.filter((good) => page.basket.has(good.id)).map((good) => {
    const count = page.basket.get(good.id);
    return { name: good.name, quantity: `${count}.000`, price: good.price, cost: good.price * count };
  });
  const mode = Number(document.querySelector('input[name=mode]:checked').value);
  page.sale = { id, state: 'new', mode, message: '', order_number: '' };
  page.sending = true;
  page.refused = null;
  $('timeline').replaceChildren();
  draw();
  try {
    tellOperation(await call('PUT', `api/sales/${id}`, { amount: total(), mode, receipt: { number: id, items } }));
  } catch (error) {
    page.sale = null;
    page.refused = error.message;
  }
  page.sending = false;
  draw();
}

async function abort() {
  page.sending = true;
  drawReceipt();
  try {
    tellOperation(await call('POST', `api/operations/${page.sale.id}/abort`));
  } catch (error) {
    $('message').textContent = error.message;
  }
  page.sending = false;
  drawReceipt();
}

/** Takes an operation as the till sends it, if it is the present sale or its undoing. */
function tellOperation(operation) {
  const isSale = page.sale !== null && operation.id === page.sale.id;
  const isUndoing = page.sale !== null && operation.of === page.sale.id;
  if (!isSale && !isUndoing) return;
  addToTimeline(operation, isUndoing);
  if (isUndoing) return;
  // Answers to calls and events take different ways and may overtake each other.
  if (page.sale.version !== undefined && operation.version < page.sale.version) return;
  const changed = operation.state !== page.sale.state;
  page.sale = operation;
  page.closed = operation.state === 'done';
  if (changed && operation.state === 'awaiting_buyer') page.typed = '';
  watchShown();
  draw();
}

/** Sessions end, and the display then shows another code: a line of the timeline. Events keep codes back,
 * so the till is asked, one question at a time. */
async function watchShown() {
  page.lookAgain = true;
  if (page.looking) return;
  page.looking = true;
  while (page.lookAgain) {
    page.lookAgain = false;
    const sale = page.sale;
    if (sale === null || sale.mode === 0 || sale.state !== 'awaiting_buyer') break;
    try {
      tellShown(await call('GET', `api/operations/${sale.id}`));
    } catch {
      break; // the next event looks again
    }
  }
  page.looking = false;
}

function tellShown(operation) {
  const code = operation.shows?.qr ?? operation.shows?.code ?? null;
  if (code === null || operation.id !== page.sale?.id) return;
  const before = page.shown?.sale === operation.id ? page.shown : { code, renewals: 0 };
  const renewals = before.renewals + (before.code === code ? 0 : 1);
  page.shown = { sale: operation.id, code, renewals };
  if (renewals === before.renewals) return;
  const what = operation.mode === 1 ? 'Код обновлён' : 'QR-код обновлён';
  addLine(operation, `renewed ${renewals}`, 'renewed', what, renewals > 1 ? `${renewals}-й раз` : 'прежняя сессия закончилась', 'wait');
}

function addToTimeline(operation, isUndoing) {
  const name = isUndoing ? `отмена · ${operation.state}` : operation.state;
  addLine(operation, `${operation.state} ${operation.message}`, operation.state, name, operation.message, tone(operation.state));
}

/** A line of the timeline, once for each thing that it shows. */
function addLine(operation, what, state, name, words, toneName) {
  const key = `${operation.id} ${what}`;
  if ([...$('timeline').children].some((line) => line.dataset.key === key)) return;
  const since = Date.parse(operation.updated_at) - Date.parse(page.sale.created_at ?? operation.created_at);
  const line = element('li', '', { 'data-tone': toneName });
  line.dataset.key = key;
  line.dataset.since = since;
  line.dataset.state = state;
  line.append(element('time', `${(since / 1000).toFixed(3).replace('.', ',')} с`));
  const text = element('div');
  text.append(element('code', name), element('p', words));
  line.append(text);
  const later = [...$('timeline').children].find((other) => Number(other.dataset.since) > since);
  $('timeline').insertBefore(line, later ?? null);
  $('timeline').scrollTop = $('timeline').scrollHeight;
}

function tone(state) {
  if (state === 'done') return 'good';
  if (FINAL.includes(state)) return 'bad';
  return 'wait';
}

function drawState() {
  const sale = page.sale;
  const card = $('state-card');
  const remedy = sale?.error?.remedy ?? '';
  card.dataset.tone = page.refused ? 'bad' : sale ? tone(sale.state) : 'idle';
  $('state').textContent = sale?.state ?? '—';
  const order = sale?.order_number ?? '';
  $('order').textContent = order.length > 12 ? `…${order.slice(-10)}` : order;
  $('order').title = order;
  $('message').textContent = page.refused ?? (sale ? sale.message || 'Обращение к серверу О!плати' : 'Наберите чек и нажмите «Оплатить»');
  $('remedy').textContent = remedy;
  $('remedy').hidden = remedy === '';
}

// --- The buyer's phone -----------------------------------------------------------------------

/** Which screen the phone shows. A payment that waits at the service comes first, whatever the till thinks of it. */
function phoneScreen() {
  if (page.payment?.status === PAYMENT.pending) return 'confirm';
  const sale = page.sale;
  if (sale === null) return 'home';
  if (FINAL.includes(sale.state)) return 'result';
  if (sale.state === 'awaiting_scan') return 'qr';
  if (sale.state === 'awaiting_buyer' && page.joinedSale !== sale.id && sale.mode !== 0) return sale.mode === 1 ? 'code' : 'scan';
  return 'wait';
}

function drawPhone() {
  const screen = phoneScreen();
  if ($('phone').dataset.screen !== screen) notice('');
  $('phone').dataset.screen = screen;
  for (const face of document.querySelectorAll('.face')) face.hidden = face.id !== `phone-${screen}`;
  if (screen === 'qr' && page.qr?.sale !== page.sale.id) drawBuyerQr(page.sale.id);
  if (screen === 'confirm') {
    const sum = money(page.payment.kopecks);
    $('asked').textContent = sum;
    $('confirm').textContent = `Подтвердить ${sum}`;
  }
  if (screen === 'result') drawResult(page.sale);
  $('typed').textContent = page.typed || '····';
  $('send-code').disabled = page.typed.length < 4;
}

function drawResult(sale) {
  const words = {
    done: ['✓', 'Оплачено', 'paid'],
    declined: ['✕', 'Вы отклонили оплату', 'declined'],
    not_enough_money: ['✕', 'Не хватает денег', 'too little money'],
    expired: ['✕', 'Время вышло', 'expired'],
    cancelled: ['✕', 'Касса отменила оплату', 'cancelled by the till'],
    failed: ['✕', 'Оплата не прошла', 'failed'],
  };
  const isOfSale = page.payment !== null && page.payment.orderNumber === sale.order_number;
  let [glyph, text, en] = words[sale.state];
  // The phone knows its own purse better than the till does.
  if (isOfSale && sale.state === 'failed' && page.payment.status === PAYMENT.paid) {
    [glyph, text, en] = page.payment.reversed > 0
      ? ['↺', 'Деньги возвращены', 'paid and returned']
      : ['!', 'Списано, деньги вернутся', 'paid, will be returned'];
  }
  if (isOfSale && sale.state === 'failed' && page.payment.status === PAYMENT.cancelled) {
    [glyph, text, en] = ['✕', 'Отменено, деньги не списаны', 'cancelled, nothing taken'];
  }
  $('result-glyph').textContent = glyph;
  $('result-glyph').dataset.tone = sale.state === 'done' ? 'good' : 'bad';
  $('result').textContent = text;
  $('result-en').textContent = en;
  $('result-sum').hidden = sale.state !== 'done';
  $('result-sum').textContent = sale.state === 'done' ? money(sale.amount) : '';
}

async function drawBuyerQr(sale) {
  page.qr = { sale, text: null };
  try {
    const { text, size, path } = await call('GET', 'phone/qr');
    const box = `-2 -2 ${size + 4} ${size + 4}`;
    const picture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${box}" shape-rendering="crispEdges"><path d="${path}"/></svg>`;
    $('buyer-qr').src = `data:image/svg+xml,${encodeURIComponent(picture)}`;
    page.qr = { sale, text };
  } catch (error) {
    page.qr = null;
    notice(error.message);
  }
}

function notice(text) {
  $('notice').textContent = text;
  $('notice').hidden = text === '';
}

/** Does one thing on the phone; what goes wrong is shown there. */
async function act(work) {
  const buttons = [...document.querySelectorAll('.phone button:enabled')];
  buttons.forEach((button) => { button.disabled = true; });
  notice('');
  try {
    await work();
  } catch (error) {
    notice(error.message);
  }
  buttons.forEach((button) => { button.disabled = false; });
  draw();
}

async function showQr() {
  if (page.qr?.text) await call('POST', 'scan', { text: page.qr.text });
}

async function join(taken) {
  const { id } = page.sale;
  await call('POST', 'phone/join', taken);
  page.joinedSale = id;
}

/** What the buyer's display shows now; events keep it back, since it is the buyer's. */
async function shown() {
  const operation = await call('GET', `api/operations/${page.sale.id}`);
  if (operation.shows === null) throw new Error('На дисплее уже ничего нет');
  return operation.shows;
}

function type(digit) {
  page.typed = digit === '⌫' ? page.typed.slice(0, -1) : (page.typed + digit).slice(0, 6);
  drawPhone();
}

// --- The whole page --------------------------------------------------------------------------

/** Whose turn it is, shown above and by a frame around the panel. */
function drawHint() {
  const hints = {
    pay: ['cashier', 'Нажмите «Оплатить» на кассе', 'press «Оплатить» (pay) on the till'],
    next: ['cashier', 'Оплачено! Начните новый чек', 'paid! begin the next receipt'],
    again: ['cashier', 'Попробуйте ещё раз или выберите другой режим', 'try again, or choose another mode'],
    qr: ['buyer', 'Покажите QR с телефона сканеру кассы', 'hold the phone before the scanner'],
    code: ['buyer', 'Введите на телефоне код с дисплея', 'type the display’s code on the phone'],
    scan: ['buyer', 'Отсканируйте телефоном QR с дисплея', 'scan the display with the phone'],
    confirm: ['buyer', 'Подтвердите оплату на телефоне', 'confirm the payment on the phone'],
    wait: [null, 'Касса и сервис договариваются…', 'the till and the service are talking'],
  };
  const screen = phoneScreen();
  let step = screen;
  if (screen === 'home') step = 'pay';
  if (screen === 'result') step = page.closed ? 'next' : 'again';
  const [panel, ru, en] = hints[step];
  $('hint-ru').textContent = ru;
  $('hint-en').textContent = en;
  for (const id of ['cashier', 'buyer']) $(id).classList.toggle('turn', id === panel);
}

function draw() {
  drawReceipt();
  drawState();
  drawPhone();
  drawHint();
}

function mark(id, text, toneName) {
  $(id).textContent = text;
  $(id).dataset.tone = toneName;
}

function tellHealth(health) {
  const words = { ok: ['всё в порядке', 'good'], degraded: ['нужен человек', 'wait'], blocked: ['оплата невозможна', 'bad'] };
  mark('health', ...(words[health.status] ?? [health.status, 'idle']));
  $('health').title = (health.reasons ?? []).join('\n');
  const { reachable, latency_ms: latency } = health.service;
  if (reachable === false) mark('service', 'нет связи', 'bad');
  else mark('service', reachable ? `на связи${latency === null ? '' : `, ${latency} мс`}` : 'ещё не спрашивали', reachable ? 'good' : 'idle');
  const scanner = health.devices.find((device) => device.name.startsWith('scanner'));
  if (scanner?.state === 'connected') mark('scanner', 'подключён', 'good');
  else mark('scanner', scanner?.state ?? 'нет', 'bad');
  mark('queue', String(health.queue_depth), health.queue_depth === 0 ? 'good' : 'wait');
}

/** The display's heartbeat repeats the number of its scene; a new number is a new picture. */
function tellScene(number) {
  if (number === page.scene) return;
  page.scene = number;
  watchShown();
  const next = new Image();
  // Swapped only when it is loaded, so that the display never blinks; pictures may overtake each other.
  next.addEventListener('load', () => { if (page.scene === number) $('frame').src = next.src; });
  next.addEventListener('error', () => { if (page.scene === number) page.scene = null; });
  next.src = `display/frame.png?scene=${number}`;
}

function addLog(line) {
  const log = $('log');
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
  const level = / (ERROR|WARN|INFO|DEBUG|TRACE) /.exec(line)?.[1] ?? 'INFO';
  log.append(element('p', line, { 'data-level': level.toLowerCase() }));
  while (log.childElementCount > LOG_LINES) log.firstElementChild.remove();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

async function refresh() {
  try {
    const [{ operations }, health] = await Promise.all([call('GET', 'api/operations'), call('GET', 'api/health')]);
    operations.reverse().forEach(tellOperation);
    tellHealth(health);
  } catch (error) {
    $('hint-ru').textContent = error.message;
  }
}

function listen() {
  const events = new EventSource('events');
  const on = (name, take) => events.addEventListener(name, (event) => take(JSON.parse(event.data)));
  on('sync', refresh);
  on('operation', tellOperation);
  on('health', tellHealth);
  on('display', tellScene);
  on('service', ({ payment, network }) => {
    page.payment = payment;
    page.network = network;
    $(`net-${network}`).checked = true;
    drawPhone();
    drawHint();
  });
  on('log', ({ line }) => addLog(line));
  events.addEventListener('open', () => {
    document.body.classList.remove('gone');
    $('log').replaceChildren();
    page.scene = null;
    draw();
  });
  events.addEventListener('error', () => {
    document.body.classList.add('gone');
    $('hint-ru').textContent = 'Демонстрация остановлена';
    $('hint-en').textContent = 'the demo was stopped';
  });
}

function build() {
  for (const good of GOODS) {
    const button = element('button', '', { type: 'button', id: `good-${good.id}` });
    button.append(element('span', good.name), english(good.en), element('span', money(good.price), { class: 'price' }));
    button.addEventListener('click', () => changeBasket(good.id, 1));
    $('goods').append(button);
  }
  for (const key of ['1', '2', '3', '4', '5', '6', '7', '8', '9', '⌫', '0']) {
    const button = element('button', key, { type: 'button', id: key === '⌫' ? 'key-back' : `key-${key}` });
    button.addEventListener('click', () => type(key));
    $('keys').append(button);
  }
  $('pay').addEventListener('click', pay);
  $('abort').addEventListener('click', abort);
  $('show-qr').addEventListener('click', () => act(showQr));
  $('copy-code').addEventListener('click', () => act(async () => { page.typed = (await shown()).code ?? ''; }));
  $('send-code').addEventListener('click', () => act(() => join({ code: page.typed })));
  $('scan-qr').addEventListener('click', () => act(async () => join({ qr: (await shown()).qr ?? '' })));
  for (const [id, decision] of [['confirm', 'confirm'], ['decline', 'decline'], ['poor', 'not_enough_money']]) {
    $(id).addEventListener('click', () => act(() => call('POST', 'phone/decide', { decision })));
  }
  $('short-sessions').addEventListener('change', (event) => {
    call('POST', 'sessions', { short: event.target.checked }).catch((error) => notice(error.message));
  });
  for (const radio of document.querySelectorAll('input[name=network]')) {
    radio.addEventListener('change', () => call('POST', 'network', { network: radio.value }).catch((error) => notice(error.message)));
  }
}

build();
draw();
listen();
