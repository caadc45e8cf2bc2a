'use strict';
// What comes from the till goes into the page as text only. One event stream shows what to read anew.

const $ = (id) => document.getElementById(id);
const CALL_MS = 15000;
let events = null;
let operations = [];
const due = new Map();

function make(tag, text, className) {
    const part = document.createElement(tag);
    part.textContent = text ?? '';
    if (className) part.className = className;
    return part;
}

function button(text, act) {
    const part = make('button', text);
    part.addEventListener('click', async () => {
        part.disabled = true;
        try {
            await act();
            $('notice').textContent = '';
        } catch (error) {
            $('notice').textContent = error.message;
        }
        part.disabled = false;
    });
    return part;
}

async function call(method, path, body) {
    const options = { method, cache: 'no-store', signal: AbortSignal.timeout(CALL_MS) };
    if (body !== undefined) {
        options.body = JSON.stringify(body);
        options.headers = { 'Content-Type': 'application/json' };
    }
    let answer;
    try {
        answer = await fetch(path, options);
    } catch {
        throw new Error('Нет связи со службой oplati');
    }
    const text = await answer.text();
    let content = null;
    try { content = text ? JSON.parse(text) : null; } catch { /* shown by the status */ }
    if (answer.ok) return content;
    if (answer.status === 401 && path !== '/v1/session') showForm();
    const error = new Error([content?.detail, content?.remedy].filter(Boolean).join('. ') || `Ошибка ${answer.status}`);
    error.status = answer.status;
    throw error;
}

// Many events in a moment are one reading.
function soon(name, read, wait_ms = 200) {
    if (due.has(name)) return;
    due.set(name, setTimeout(async () => {
        due.delete(name);
        try { await read(); } catch (error) { $('notice').textContent = error.message; }
    }, wait_ms));
}

function clock(time) {
    const date = new Date(time);
    return Number.isNaN(date.getTime()) ? '' : date.toLocaleTimeString('ru', { hour12: false });
}

const words = (map) => (word) => map[word] ?? word;
const stateWord = words({
    new: 'начата', in_progress: 'выполняется', awaiting_scan: 'ждёт код покупателя', awaiting_buyer: 'ждёт покупателя',
    awaiting_confirmation: 'ждёт подтверждения', in_doubt: 'выясняется', queued: 'в очереди', done: 'выполнена',
    declined: 'отказ', not_enough_money: 'не хватило денег', expired: 'время вышло', cancelled: 'отменена', failed: 'ошибка',
});
const kindWord = words({
    sale: 'Продажа', refund: 'Возврат', cancel: 'Отмена', cancel_refund: 'Отмена возврата', annul: 'Аннулирование', card: 'Карта',
});
const deviceKind = words({ scanner: 'сканер', display: 'дисплей' });
const deviceState = words({
    connected: 'подключено', missing: 'не подключено', busy: 'занято другой программой', no_permission: 'нет доступа',
    wrong_mode: 'не тот режим', failed: 'ошибка', none: 'не найдено',
    covered: 'закрыто другим окном', dark: 'экран погашен',
});
const counterWord = words({
    scans: 'сканирований', discarded: 'отброшено', reconnects: 'подключений заново', frames: 'кадров', unproven: 'кадров без подтверждения', errors: 'ошибок',
    not_shared: 'не передано кассовой программе', unterminated: 'без конца кода',
});

// Only a day that is not today needs its date.
function moment(time) {
    const date = new Date(time);
    if (Number.isNaN(date.getTime())) return '';
    const today = date.toDateString() === new Date().toDateString();
    return today ? clock(time) : `${date.toLocaleDateString('ru')} ${clock(time)}`;
}

function lasted(ms) {
    return ms < 10000 ? `${ms} мс` : `${Math.round(ms / 1000)} с`;
}

const money = (kopecks) => `${Math.trunc(kopecks / 100)},${String(kopecks % 100).padStart(2, '0')} BYN`;

async function readHealth() {
    const health = await call('GET', '/v1/health');
    $('status').textContent = { ok: 'Работает', degraded: 'Нужно внимание', blocked: 'Оплата невозможна' }[health.status] ?? health.status;
    $('status').className = ['ok', 'degraded', 'blocked'].includes(health.status) ? health.status : '';
    if (!health.journal) return false;
    $('reasons').replaceChildren(...health.reasons.map((reason, at) => {
        const item = make('li', reason);
        item.dataset.code = health.reason_codes[at];
        return item;
    }));
    const reachable = { true: 'есть', false: 'нет' }[String(health.service.reachable)] ?? 'ещё не проверялась';
    $('facts').textContent = `Связь с сервером: ${reachable}${health.service.reachable !== true || health.service.latency_ms == null ? '' : `, ${health.service.latency_ms} мс`}. `
        + `В очереди: ${health.queue_depth}. Операций в журнале: ${health.journal.operations}. Версия ${health.version}.`;
    return true;
}

async function readDevices() {
    const { devices } = await call('GET', '/v1/devices');
    // What is being chosen stays chosen.
    const chosen = new Map([...document.querySelectorAll('#devices select')].map((part) => [part.dataset.device, part.value]));
    const displays = devices.filter((each) => each.kind === 'display').map((each) => each.name);
    $('devices').replaceChildren(...devices.map((each) => deviceCard(each, displays, chosen.get(each.name))));
    if (!devices.length) $('devices').textContent = 'Нет настроенных устройств';
}

function deviceCard(device, displays, chosen) {
    const part = document.createElement('article');
    part.dataset.device = device.name;
    part.dataset.state = device.state;
    const head = make('p', '', 'head');
    head.append(make('strong', device.name), make('span', deviceState(device.state), 'mark'));
    if (device.since) head.append(make('span', `с ${moment(device.since)}`, 'small'));
    part.append(head);
    part.append(make('p', [deviceKind(device.kind), device.profile, device.node, device.shows].filter(Boolean).join(' · '), 'small'));
    const facts = [device.identity, device.firmware && `прошивка: ${device.firmware}`].filter(Boolean);
    if (facts.length) part.append(make('p', facts.join(' · '), 'small'));
    part.append(make('p', Object.entries(device.counters ?? {}).map(([name, value]) => `${counterWord(name)}: ${value}`).join(', '), 'small'));
    if (device.last_error) {
        const when = device.last_error_at ? `${moment(device.last_error_at)}: ` : '';
        part.append(make('p', `Последняя ошибка ${when}${device.last_error}`, 'small error'));
    }
    if (device.test) part.append(...testOf(device.test));
    part.append(buttonsOf(device, displays, chosen));
    return part;
}

function testOf(test) {
    const word = test.state === 'running' ? 'Идёт проверка' : 'Проверка закончена';
    const parts = [make('p', `${word}: шаг ${test.step} из ${test.of}. ${test.says}`, 'test')];
    if (test.state === 'running') {
        const bar = document.createElement('progress');
        bar.max = Math.max(test.of, 1);
        bar.value = Math.min(test.step, bar.max);
        parts.push(bar);
    }
    const results = words({ pass: 'хорошо', warn: 'внимание', fail: 'ошибка', skipped: 'пропущено' });
    for (const check of test.checks ?? []) {
        const text = [check.title, check.detail, check.remedy].filter(Boolean).join('. ');
        const known = ['pass', 'warn', 'fail', 'skipped'].includes(check.result) ? check.result : '';
        const line = make('p', '', `small check ${known}`);
        line.append(make('strong', results(check.result)), ` ${text}`);
        parts.push(line);
    }
    return parts;
}

function buttonsOf(device, displays, chosen) {
    const path = `/v1/devices/${encodeURIComponent(device.name)}/test`;
    const act = async (method, body) => {
        await call(method, path, body);
        await readDevices();
    };
    const part = make('p', '', 'buttons');
    if (device.test?.state === 'running') {
        part.append(button('Остановить', () => act('DELETE')));
        return part;
    }
    part.append(button('Проверить', () => act('POST', {})));
    const shown = device.kind === 'display' ? [device.name] : displays;
    if (!shown.length) return part;
    let choice = null;
    if (shown.length > 1) {
        choice = document.createElement('select');
        choice.dataset.device = device.name;
        choice.setAttribute('aria-label', 'Дисплей для проверки');
        choice.append(...shown.map((name) => new Option(name, name, false, name === chosen)));
    }
    part.append(button('Проверить со сканированием', () => act('POST', { interactive: true, display: choice?.value ?? shown[0] })));
    if (choice) part.append(choice);
    return part;
}

async function readQueue() {
    const { items } = await call('GET', '/v1/queue');
    $('queue').replaceChildren(...items.map((item) => {
        const part = document.createElement('article');
        part.append(make('strong', `${kindWord(item.kind)} ${item.id}: ${money(item.amount)}`));
        part.append(make('p', `${item.of ? `К операции ${item.of}, ` : ''}с ${moment(item.since)}, попыток: ${item.tries}. ${item.last_error ?? ''}`, 'small'));
        const path = `/v1/queue/${encodeURIComponent(item.id)}`;
        part.append(button('Повторить', async () => { await call('POST', `${path}/retry`); await readQueue(); }));
        if (item.set_aside) {
            // The books follow what the person says, so nothing is taken for granted.
            for (const [label, outcome] of [['Закрыть: выполнено…', 'carried_out'], ['Закрыть: не выполнено…', 'not_carried_out']]) {
                part.append(button(label, async () => {
                    const reason = prompt('Как это проверено? Запись останется в журнале.');
                    if (!reason) return;
                    await call('POST', `${path}/settle`, { reason, outcome });
                    await readQueue();
                }));
            }
        }
        return part;
    }));
    if (!items.length) $('queue').textContent = 'Пусто';
}

async function readOperations() {
    const open = new Set([...$('operations').querySelectorAll('details[open]')].map((part) => part.dataset.id));
    const known = new Map([...$('operations').querySelectorAll('details[open]')].map((part) => [part.dataset.id, [...part.querySelector('ol').children]]));
    ({ operations } = await call('GET', '/v1/operations?limit=50'));
    $('operations').replaceChildren(...operations.map((operation) => {
        const part = document.createElement('details');
        part.dataset.id = operation.id;
        part.append(make('summary', [moment(operation.created_at), kindWord(operation.kind), operation.id, operation.amount ? money(operation.amount) : '', '—', stateWord(operation.state)].filter(Boolean).join(' ')));
        part.dataset.state = operation.state;
        part.append(make('p', operation.message, 'small'));
        const steps = make('ol', '', 'steps');
        // What was there stays until the new one has come: nothing jumps.
        steps.replaceChildren(...(known.get(operation.id) ?? []));
        part.append(steps);
        part.addEventListener('toggle', () => { if (part.open) readSteps(operation.id, steps); });
        part.open = open.has(operation.id);
        return part;
    }));
    if (!operations.length) $('operations').textContent = 'Операций ещё не было';
}

async function readSteps(id, list) {
    try {
        const { steps } = await call('GET', `/v1/operations/${encodeURIComponent(id)}/steps`);
        list.replaceChildren(...steps.map((step) => make('li', `${clock(step.at)} · +${lasted(step.ms)} · ${stateWord(step.state)} — ${step.what}`)));
    } catch (error) {
        list.replaceChildren(make('li', error.message));
    }
}

async function readLog() {
    try {
        const { lines } = await call('GET', '/v1/log?lines=100');
        $('log').textContent = lines.join('\n');
        $('log').scrollTop = $('log').scrollHeight;
    } catch (error) {
        $('log').textContent = error.message;
    }
}

function readPicture() {
    $('picture').src = `/v1/display.png?at=${Date.now()}`;
}

// The operation that had begun last at that time of the newest day that has one.
function jump() {
    const wanted = $('when').value;
    if (!wanted) return;
    const found = operations.find((operation) => clock(operation.created_at).slice(0, 5) <= wanted);
    $('found').textContent = found ? '' : 'Раньше этого времени операций не видно';
    for (const part of $('operations').querySelectorAll('details')) {
        part.classList.toggle('found', part.dataset.id === found?.id);
        if (part.dataset.id !== found?.id) continue;
        part.open = true;
        part.scrollIntoView({ block: 'nearest' });
    }
}

function readAll() {
    soon('health', readHealth);
    soon('devices', readDevices);
    soon('queue', readQueue);
    soon('operations', readOperations);
    soon('log', readLog);
    soon('picture', readPicture);
}

function listen() {
    events?.close();
    // Not /display/events: who listens there counts as a buyer's display.
    events = new EventSource('/v1/events?also=scene');
    events.onopen = () => { $('line').textContent = 'на связи'; readAll(); };
    events.onerror = () => {
        $('line').textContent = 'нет связи, повторяю…';
        // A refused stream is closed for good; a broken one comes back by itself.
        if (events.readyState === EventSource.CLOSED) setTimeout(start, 3000);
    };
    events.addEventListener('health', () => soon('health', readHealth));
    // A test shows its codes outside the scenes of sales.
    events.addEventListener('device', () => { soon('devices', readDevices); soon('picture', readPicture, 300); });
    events.addEventListener('queue', () => soon('queue', readQueue));
    events.addEventListener('operation', () => { soon('operations', readOperations); soon('log', readLog, 1000); });
    events.addEventListener('scene', () => soon('picture', readPicture, 300));
}

function showForm() {
    events?.close();
    $('bench').hidden = $('leave').hidden = true;
    $('line').textContent = '';
    $('enter').hidden = false;
    $('token').focus();
}

async function start() {
    let inside;
    try {
        inside = await readHealth();
    } catch (error) {
        $('line').textContent = error.message;
        setTimeout(start, 3000);
        return;
    }
    if (!inside) return showForm();
    $('enter').hidden = true;
    $('bench').hidden = $('leave').hidden = false;
    listen();
}

async function enter(key) {
    $('refused').textContent = '';
    try {
        await call('POST', '/v1/session', key);
    } catch (error) {
        showForm();
        $('refused').textContent = error.message;
        return;
    }
    start();
}

$('enter').addEventListener('submit', (event) => {
    event.preventDefault();
    const token = $('token').value;
    $('token').value = '';
    enter({ token });
});
$('leave').addEventListener('click', async () => {
    try { await call('DELETE', '/v1/session'); } catch (error) { $('notice').textContent = error.message; return; }
    location.replace('/');
});
$('reload').addEventListener('click', readLog);
$('when').addEventListener('change', jump);

const code = /^#code=([0-9a-f]+)$/.exec(location.hash)?.[1];
// Used or not, it leaves the history at once.
if (location.hash) history.replaceState(null, '', '/');
if (code) enter({ code }); else start();
