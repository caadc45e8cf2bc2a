CREATE TABLE operations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    shift TEXT NOT NULL,
    receipt TEXT,
    order_number TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    open INTEGER NOT NULL,
    live INTEGER NOT NULL,
    set_aside INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;
INSERT INTO "operations" VALUES(1,'paid','sale','done','24112026','paid','4345635c7656c804f2f7d1-1','2026-11-24T11:32:20.388Z','2026-11-24T11:32:23.412Z',0,0,0,'{"sale":{"operation":{"id":"paid","kind":"sale","state":"done","amount":1234,"mode":2,"shift":"24112026","order_number":"4345635c7656c804f2f7d1-1","payment_id":100002,"of":null,"left":1234,"undo":null,"shows":null,"message":"Оплата выполнена","error":null,"card":null,"slip":{"payment_id":100002,"paid_at":"2026-11-24T14:32:21+03:00","amount":1234,"purse":"**** 4821"},"created_at":"2026-11-24T11:32:20.388Z","updated_at":"2026-11-24T11:32:23.412Z","finished_at":"2026-11-24T11:32:23.412Z"},"request":{"amount":1234,"receipt":{"number":"paid","items":[{"name":"Продажа","cost":1234,"kind":"goods"}]}},"account":{"url":"http://127.0.0.1:33311","reg_num":"OPL000011111"},"deadline":"2026-11-24T11:35:20.388Z","payment_sent":true,"ending":null}}');
INSERT INTO "operations" VALUES(7,'lost','sale','failed','24112026','lost','4345635c7656c804f2f7d1-2','2026-11-24T11:32:23.446Z','2026-11-24T11:32:25.956Z',0,0,0,'{"sale":{"operation":{"id":"lost","kind":"sale","state":"failed","amount":500,"mode":2,"shift":"24112026","order_number":"4345635c7656c804f2f7d1-2","payment_id":null,"of":null,"left":null,"undo":"pending","shows":null,"message":"Ошибка обращения к серверу","error":{"code":"no_connection","message":"Ошибка обращения к серверу","detail":"error sending request: client error (SendRequest): connection closed before message completed","remedy":"Проверьте связь с интернетом и повторите оплату"},"card":null,"slip":null,"created_at":"2026-11-24T11:32:23.446Z","updated_at":"2026-11-24T11:32:25.956Z","finished_at":"2026-11-24T11:32:25.956Z"},"request":{"amount":500,"receipt":{"number":"lost","items":[{"name":"Продажа","cost":500,"kind":"goods"}]}},"account":{"url":"http://127.0.0.1:33311","reg_num":"OPL000011111"},"deadline":"2026-11-24T11:35:23.446Z","payment_sent":true,"ending":null}}');
INSERT INTO "operations" VALUES(13,'~1','cancel','queued','24112026','lost','4345635c7656c804f2f7d1-3','2026-11-24T11:32:25.956Z','2026-11-24T11:32:26.963Z',1,1,0,'{"undoing":{"operation":{"id":"~1","kind":"cancel","state":"queued","amount":500,"mode":2,"shift":"24112026","order_number":"4345635c7656c804f2f7d1-3","payment_id":null,"of":"lost","left":null,"undo":"pending","shows":null,"message":"Ошибка соединения с сервером. Операция отмены в очереди будет выполнена после восстановления связи с сервером","error":null,"card":null,"slip":null,"created_at":"2026-11-24T11:32:25.956Z","updated_at":"2026-11-24T11:32:26.963Z","finished_at":null},"target":null,"reversal":"not_sent","sent_once":false,"denied_while_pending":false,"tries":0,"last_error":null,"next_try":"2026-11-24T11:32:28.963Z","answered_errors":0,"errors_since":null,"set_aside":false,"rechecks":[],"settled":null}}');
CREATE TABLE steps (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    operation TEXT NOT NULL,
    at TEXT NOT NULL,
    state TEXT NOT NULL,
    what TEXT NOT NULL
) STRICT;
CREATE INDEX operations_open ON operations (seq) WHERE open = 1;
CREATE INDEX operations_shift ON operations (shift, seq);
CREATE INDEX operations_state ON operations (state, seq);
CREATE INDEX operations_updated ON operations (updated_at);
CREATE INDEX steps_operation ON steps (operation, seq);
PRAGMA user_version = 1;
