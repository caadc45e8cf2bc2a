'use strict';
// What comes from the till goes into the page as text only. One event stream tells what to read anew.

const $ = (id) => document.getElementById(id);
const CALL_MS = 15000;
let events = null;
let screen = null;
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
    try { content = text ? JSON.parse(text) : null; } catch { /* told by the status */ }
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

const money = (kopecks) => `${Math.trunc(kopecks / 100)},${String(kopecks % 100).padStart(2, '0')} BYN`;

async function readHealth() {
    const health = await call('GET', '/v1/health');
    const words = { ok: 'Работает', degraded: 'Нужно внимание', blocked: 'Оплата невозможна' };
    $('status').textContent = words[health.status] ?? health.status;
    $('status').className = ['ok', 'degraded', 'blocked'].includes(health.status) ? health.status : '';
    if (!health.journal) return false;
    $('reasons').replaceChildren(...health.reasons.map((reason) => make('li', reason)));
    const reachable = { true: 'есть', false: 'нет' }[String(health.service.reachable)] ?? 'ещё не проверялась';
    $('facts').textContent = `Связь с сервером: ${reachable}${health.service.latency_ms == null ? '' : `, ${health.service.latency_ms} мс`}. `
        + `В очереди: ${health.queue_depth}. Операций в журнале: ${health.journal.operations}. Версия ${health.version}.`;
    return true;
}

async function readDevices() {
    const { devices } = await call('GET', '/v1/devices');
    $('devices').replaceChildren(...devices.map(device));
    if (!devices.length) $('devices').textContent = 'Нет настроенных устройств';
}

function device(device) {
    const part = document.createElement('article');
    part.append(make('strong', `${device.name}: ${device.state}`));
    part.append(make('p', [device.kind, device.profile, device.node, device.shows].filter(Boolean).join(' · '), 'small'));
    part.append(make('p', Object.entries(device.counters ?? {}).map(([name, value]) => `${name}: ${value}`).join(', '), 'small'));
    if (device.last_error) part.append(make('p', device.last_error, 'small'));
    const path = `/v1/devices/${encodeURIComponent(device.name)}/test`;
    const test = device.test;
    if (test) {
        part.append(make('p', `Проверка: шаг ${test.step} из ${test.of}. ${test.says}`));
        const results = { pass: 'хорошо', warn: 'внимание', fail: 'ошибка', skipped: 'пропущено' };
        for (const check of test.checks ?? []) {
            part.append(make('p', [`${results[check.result] ?? check.result}: ${check.title}`, check.detail, check.remedy].filter(Boolean).join('. '), 'small'));
        }
    }
    const act = async (method, body) => {
        try {
            await call(method, path, body);
        } catch (error) {
            if (error.status === 404) throw new Error('Эта версия службы не умеет проверять устройства');
            throw error;
        }
        await readDevices();
    };
    part.append(test?.state === 'running' ? button('Остановить', () => act('DELETE')) : button('Проверить', () => act('POST', {})));
    return part;
}

async function readQueue() {
    const { items } = await call('GET', '/v1/queue');
    $('queue').replaceChildren(...items.map((item) => {
        const part = document.createElement('article');
        part.append(make('strong', `${item.id}: ${item.kind} ${money(item.amount)}`));
        part.append(make('p', `Для ${item.of}, с ${clock(item.since)}, попыток ${item.tries}. ${item.last_error ?? ''}`, 'small'));
        const path = `/v1/queue/${encodeURIComponent(item.id)}`;
        part.append(button('Повторить', async () => { await call('POST', `${path}/retry`); await readQueue(); }));
        if (item.set_aside) {
            part.append(button('Закрыть…', async () => {
                const reason = prompt('Почему закрывается? Запись останется в журнале.');
                if (!reason) return;
                await call('POST', `${path}/settle`, { reason });
                await readQueue();
            }));
        }
        return part;
    }));
    if (!items.length) $('queue').textContent = 'Пусто';
}

async function readOperations() {
    const open = new Set([...$('operations').querySelectorAll('details[open]')].map((part) => part.dataset.id));
    ({ operations } = await call('GET', '/v1/operations?limit=50'));
    $('operations').replaceChildren(...operations.map((operation) => {
        const part = document.createElement('details');
        part.dataset.id = operation.id;
        part.append(make('summary', `${clock(operation.created_at)} ${operation.kind} ${operation.id} ${operation.amount ? money(operation.amount) : ''} — ${operation.state}`));
        part.append(make('p', operation.message, 'small'));
        const steps = document.createElement('ol');
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
        list.replaceChildren(...steps.map((step) => make('li', `${clock(step.at)} +${step.ms} мс ${step.state}: ${step.what}`)));
    } catch (error) {
        list.replaceChildren(make('li', error.status === 404 ? 'Эта версия службы не показывает шаги' : error.message));
    }
}

async function readLog() {
    try {
        const { lines } = await call('GET', '/v1/log?lines=100');
        $('log').textContent = lines.join('\n');
        $('log').scrollTop = $('log').scrollHeight;
    } catch (error) {
        $('log').textContent = error.status === 404 ? 'Эта версия службы не показывает журнал' : error.message;
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
    screen?.close();
    events = new EventSource('/v1/events');
    events.onopen = () => { $('line').textContent = 'на связи'; readAll(); };
    events.onerror = () => {
        $('line').textContent = 'нет связи, повторяю…';
        // A refused stream is closed for good; a broken one comes back by itself.
        if (events.readyState === EventSource.CLOSED) setTimeout(start, 3000);
    };
    events.addEventListener('health', () => soon('health', readHealth));
    events.addEventListener('device', () => soon('devices', readDevices));
    events.addEventListener('queue', () => soon('queue', readQueue));
    events.addEventListener('operation', () => { soon('operations', readOperations); soon('log', readLog, 1000); });
    screen = new EventSource('/display/events');
    let number = null;
    const changed = (event) => {
        if (event.data === number) return;
        number = event.data;
        soon('picture', readPicture, 300);
    };
    screen.addEventListener('scene', changed);
}

function showForm() {
    events?.close();
    screen?.close();
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
