/* A batch of a known user, from its bytes to those of its enriched batch: the usual one, in one pass.
 *
 * Says yes only where the codecs in Python say yes, and then the very same. Whatever is unusual is
 * answered with None, and Python reads it: nothing is refused here, so there are no messages.
 *
 * How memory is read: the value is a bytes object, which has a NUL behind its end, and no step goes
 * beyond a byte without having seen that it is another one. So every walk ends at that NUL at the
 * latest. Levels, fields and digits are bounded; an object is read within another only from batch to
 * event to data.
 */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000 /* one build for every Python from 3.11 on */
#include <Python.h>
#include <stdint.h>
#include <string.h>

#ifndef SOURCE
#define SOURCE "" /* hatch_build.py says what this was compiled from */
#endif

enum {
    MOST_LEVELS = 64, /* within a field; the kinds of open brackets are one number */
    MOST_OVER = 32,   /* fields that are laid over a batch */
    MOST_DIGITS = 15, /* of a time: exact for everybody */
    MOST_NUMBER = 32, /* bytes of any other number */
};

/* ---- names: as in Python, which compares them when it loads this; in order of length -------- */

typedef struct {
    const char *text;
    Py_ssize_t size;
} Name;

#define NAME(text) {text, sizeof(text) - 1}
#define COUNT(names) ((int)(sizeof(names) / sizeof(names[0])))

static const Name FIELDS[] = {
    NAME("ip"), NAME("mpid"), NAME("events"), NAME("job_id"), NAME("api_key"), NAME("context"),
    NAME("segment"), NAME("api_keys"), NAME("batch_id"), NAME("modified"), NAME("device_info"),
    NAME("environment"), NAME("mp_deviceid"), NAME("origin_mpid"), NAME("sdk_version"),
    NAME("source_info"), NAME("batch_context"), NAME("consent_state"), NAME("schema_version"),
    NAME("user_attributes"), NAME("user_identities"), NAME("application_info"),
    NAME("attribution_info"), NAME("partner_identity"), NAME("source_request_id"),
    NAME("partner_identities"), NAME("system_notifications"), NAME("timestamp_unixtime_ms"),
    NAME("integration_attributes"), NAME("deleted_user_attributes"),
};

static const Name EVENT_TYPES[] = {
    NAME("opt_out"), NAME("profile"), NAME("first_run"), NAME("uninstall"), NAME("breadcrumb"),
    NAME("screen_view"), NAME("session_end"), NAME("custom_event"), NAME("crash_report"),
    NAME("push_message"), NAME("push_reaction"), NAME("session_start"), NAME("commerce_event"),
    NAME("pre_attribution"), NAME("push_registration"), NAME("network_performance"),
    NAME("user_identity_change"), NAME("user_attribute_change"),
    NAME("application_state_transition"),
};

/* Types of custom events that say nothing of the user. */
static const Name PLAIN_TYPES[] = {
    NAME("media"), NAME("other"), NAME("search"), NAME("social"), NAME("unknown"), NAME("location"),
    NAME("navigation"), NAME("transaction"), NAME("user_content"), NAME("user_preference"),
};

/* The fields that decide. */
static const Name WORDS[] = {
    NAME("user_identities"), NAME("device_info"), NAME("environment"), NAME("mpid"),
    NAME("mp_deviceid"), NAME("user_attributes"), NAME("deleted_user_attributes"),
    NAME("consent_state"), NAME("partner_identities"),
};

static int is_named(const char *text, Py_ssize_t size, const char *wanted) {
    return (size_t)size == strlen(wanted) && memcmp(text, wanted, (size_t)size) == 0;
}

/* Return the place of a text among *names*, -1 where it is none of them. */
static int place_of(const Name *names, int count, const char *text, Py_ssize_t size) {
    for (int i = 0; i < count && names[i].size <= size; i++)
        if (names[i].size == size && memcmp(names[i].text, text, (size_t)size) == 0)
            return i;
    return -1;
}

/* ---- JSON: each function returns where what it passed ends, NULL where it is unusual -------- */

static const char *blank(const char *at) {
    while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')
        at++;
    return at;
}

static int is_digit(char c) { return c >= '0' && c <= '9'; }

/* Four hexadecimal digits. */
static int read_hex(const char *at, unsigned *code) {
    *code = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        if (is_digit(c))
            c = (char)(c - '0');
        else if (c >= 'a' && c <= 'f')
            c = (char)(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            c = (char)(c - 'A' + 10);
        else
            return 0;
        *code = *code * 16 + (unsigned)c;
    }
    return 1;
}

static int goes_on(char c) { return ((unsigned char)c & 0xC0) == 0x80; }

/* A character of several bytes: as Python's decoder takes UTF-8, without surrogates. */
static const char *pass_character(const char *at) {
    unsigned char first = (unsigned char)at[0], second = (unsigned char)at[1];
    if (first >= 0xC2 && first <= 0xDF)
        return goes_on(at[1]) ? at + 2 : NULL;
    if (first >= 0xE0 && first <= 0xEF) {
        if (!goes_on(at[1]) || (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F))
            return NULL;
        return goes_on(at[2]) ? at + 3 : NULL;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        if (!goes_on(at[1]) || (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F))
            return NULL;
        return goes_on(at[2]) && goes_on(at[3]) ? at + 4 : NULL;
    }
    return NULL;
}

/* An escape; surrogates only as a pair. */
static const char *pass_escape(const char *at) {
    unsigned code, low;
    if (at[1] != 'u')
        return at[1] != 0 && strchr("\"\\/bfnrt", at[1]) != NULL ? at + 2 : NULL;
    if (!read_hex(at + 2, &code))
        return NULL;
    if (code < 0xD800 || code > 0xDFFF)
        return at + 6;
    if (code > 0xDBFF || at[6] != '\\' || at[7] != 'u' || !read_hex(at + 8, &low))
        return NULL;
    return low >= 0xDC00 && low <= 0xDFFF ? at + 12 : NULL;
}

/* Text, from behind its first quote to behind its last one; *is_plain* is cleared where it has an
 * escape. */
static const char *pass_text(const char *at, const char *end, int *is_plain) {
    for (;;) {
        while (end - at >= 8) { /* eight bytes at once, of which none ends anything */
            uint64_t word;
            memcpy(&word, at, 8);
            const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
            uint64_t quotes = word ^ (ones * '"'), slashes = word ^ (ones * '\\');
            uint64_t found = (quotes - ones) | (slashes - ones) | (word - ones * 0x20) | word;
            if (found & tops)
                break;
            at += 8;
        }
        unsigned char c = (unsigned char)*at;
        while (c >= 0x20 && c != '"' && c != '\\' && c < 0x80)
            c = (unsigned char)*++at;
        if (c == '"')
            return at + 1;
        if (c == '\\') {
            *is_plain = 0;
            at = pass_escape(at);
        } else
            at = c < 0x80 ? NULL : pass_character(at);
        if (at == NULL)
            return NULL;
    }
}

/* A number without an exponent, not a long one. Whoever called finds what goes on: neither a comma nor
 * an end. */
static const char *pass_number(const char *at) {
    const char *from = at;
    if (*at == '-')
        at++;
    if (!is_digit(*at))
        return NULL;
    if (*at == '0')
        at++;
    else
        while (is_digit(*at))
            at++;
    if (*at == '.') {
        if (!is_digit(*++at))
            return NULL;
        while (is_digit(*at))
            at++;
    }
    return at - from > MOST_NUMBER ? NULL : at;
}

/* A text without escapes, from its first quote to behind its last one. */
static const char *read_text(const char *at, const char *end) {
    int is_plain = 1;
    if (*at != '"' || (at = pass_text(at + 1, end, &is_plain)) == NULL || !is_plain)
        return NULL;
    return at;
}

static const char *pass_word(const char *at, const char *word) {
    size_t size = strlen(word);
    return strncmp(at, word, size) == 0 ? at + size : NULL;
}

static const char *pass_scalar(const char *at, const char *end) {
    int is_plain;
    switch (*at) {
    case '"':
        return pass_text(at + 1, end, &is_plain);
    case 't':
        return pass_word(at, "true");
    case 'f':
        return pass_word(at, "false");
    case 'n':
        return pass_word(at, "null");
    default:
        return pass_number(at);
    }
}

/* Any value, from its first byte to behind its last one. */
static const char *pass_value(const char *at, const char *end) {
    uint64_t kinds = 0; /* of the open brackets, the innermost in the lowest bit: 1 is an object */
    int levels = 0, is_plain;
value:
    if (*at == '{' || *at == '[') {
        if (++levels > MOST_LEVELS)
            return NULL;
        kinds = kinds << 1 | (*at == '{');
        at = blank(at + 1);
        if (*at == (kinds & 1 ? '}' : ']'))
            goto close;
        if (kinds & 1)
            goto member;
        goto value;
    }
    at = pass_scalar(at, end);
    if (at == NULL)
        return NULL;
next:
    if (levels == 0)
        return at;
    at = blank(at);
    if (*at == ',') {
        at = blank(at + 1);
        if (kinds & 1)
            goto member;
        goto value;
    }
    if (*at != (kinds & 1 ? '}' : ']'))
        return NULL;
close:
    at++;
    levels--;
    kinds >>= 1;
    goto next;
member:
    if (*at != '"' || (at = pass_text(at + 1, end, &is_plain)) == NULL)
        return NULL;
    at = blank(at);
    if (*at != ':')
        return NULL;
    at = blank(at + 1);
    goto value;
}

/* ---- what is read of a batch ---------------------------------------------------------------- */

typedef struct {
    const char *at; /* NULL: the batch has no such field */
    Py_ssize_t size;
} Span;

typedef struct {
    const char *end;
    Span values[COUNT(FIELDS)]; /* by place in FIELDS */
    int order[COUNT(FIELDS)], count;
    int has_events;
    int64_t time, earliest; /* of the batch, and of its events; -1: none */
    Span request_id;
} Scan;

/* What was met in an event. */
typedef struct {
    int has_type, has_data, has_time, has_kind;
} Event;

/* Reads what stands under a name. */
typedef const char *(*Member)(Scan *, Event *, const char *name, Py_ssize_t size, const char *at);

/* An object whose names have no escapes, one member after the other. */
static const char *read_object(Scan *scan, Event *event, const char *at, Member member) {
    at = blank(at + 1);
    if (*at == '}')
        return at + 1;
    for (;;) {
        const char *name = at + 1, *last = read_text(at, scan->end);
        if (last == NULL)
            return NULL;
        at = blank(last);
        if (*at != ':')
            return NULL;
        at = member(scan, event, name, last - 1 - name, blank(at + 1));
        if (at == NULL)
            return NULL;
        at = blank(at);
        if (*at == '}')
            return at + 1;
        if (*at != ',')
            return NULL;
        at = blank(at + 1);
    }
}

/* A time: an integer that is not negative, or null, which is none (-1). As above, what goes on is found. */
static const char *read_time(const char *at, int64_t *time) {
    const char *from = at;
    int64_t found = 0;
    *time = -1;
    if (*at == 'n')
        return pass_word(at, "null");
    while (is_digit(*at) && at - from < MOST_DIGITS)
        found = found * 10 + (*at++ - '0');
    if (at == from || (*from == '0' && at - from > 1))
        return NULL;
    *time = found;
    return at;
}

/* Text that is one of *names*. */
static const char *read_name(Scan *scan, const Name *names, int count, const char *at) {
    const char *last = read_text(at, scan->end);
    if (last == NULL || place_of(names, count, at + 1, last - at - 2) < 0)
        return NULL;
    return last;
}

static const char *read_data_member(
    Scan *scan, Event *event, const char *name, Py_ssize_t size, const char *at) {
    if (is_named(name, size, "timestamp_unixtime_ms")) {
        int64_t time;
        if (event->has_time++)
            return NULL;
        at = read_time(at, &time);
        if (at != NULL && time >= 0 && (scan->earliest < 0 || time < scan->earliest))
            scan->earliest = time;
        return at;
    }
    if (is_named(name, size, "custom_event_type")) {
        if (event->has_kind++)
            return NULL;
        return *at == 'n' ? pass_word(at, "null")
                          : read_name(scan, PLAIN_TYPES, COUNT(PLAIN_TYPES), at);
    }
    return pass_value(at, scan->end);
}

static const char *read_event_member(
    Scan *scan, Event *event, const char *name, Py_ssize_t size, const char *at) {
    if (is_named(name, size, "event_type"))
        return event->has_type++ ? NULL
                                 : read_name(scan, EVENT_TYPES, COUNT(EVENT_TYPES), at);
    if (is_named(name, size, "data")) {
        if (event->has_data++)
            return NULL;
        if (*at == '{')
            return read_object(scan, event, at, read_data_member);
        return pass_word(at, "null");
    }
    return pass_value(at, scan->end);
}

static const char *read_events(Scan *scan, const char *at) {
    if (*at == 'n')
        return pass_word(at, "null");
    if (*at != '[')
        return NULL;
    at = blank(at + 1);
    if (*at == ']')
        return at + 1;
    for (;;) {
        Event event = {0, 0, 0, 0};
        if (*at != '{')
            return NULL;
        at = read_object(scan, &event, at, read_event_member);
        if (at == NULL || !event.has_type)
            return NULL;
        scan->has_events = 1;
        at = blank(at);
        if (*at == ']')
            return at + 1;
        if (*at != ',')
            return NULL;
        at = blank(at + 1);
    }
}

static const char *read_request_id(Scan *scan, const char *at) {
    if (*at == 'n')
        return pass_word(at, "null");
    const char *last = read_text(at, scan->end);
    if (last != NULL)
        scan->request_id = (Span){at + 1, last - at - 2};
    return last;
}

static const char *read_field(
    Scan *scan, Event *event, const char *name, Py_ssize_t size, const char *at) {
    const char *from = at;
    int place = place_of(FIELDS, COUNT(FIELDS), name, size);
    (void)event;
    if (place < 0 || scan->values[place].at != NULL)
        return NULL;
    if (is_named(name, size, "events"))
        at = read_events(scan, at);
    else if (is_named(name, size, "timestamp_unixtime_ms"))
        at = read_time(at, &scan->time);
    else if (is_named(name, size, "source_request_id"))
        at = read_request_id(scan, at);
    else
        at = pass_value(at, scan->end);
    if (at == NULL)
        return NULL;
    scan->values[place] = (Span){from, at - from};
    scan->order[scan->count++] = place;
    return at;
}

/* Whether *value*, a bytes object, is a batch with nothing unusual in it. */
static int scan_batch(Scan *scan, PyObject *value, Py_ssize_t most) {
    char *start;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(value, &start, &size) < 0 || size > most || *start != '{')
        return 0;
    memset(scan, 0, sizeof(*scan));
    scan->end = start + size;
    scan->time = scan->earliest = -1;
    const char *at = read_object(scan, NULL, start, read_field);
    return at != NULL && blank(at) == scan->end;
}

/* ---- what is remembered, and what is made of it --------------------------------------------- */

static const Span *field(const Scan *scan, const Name *name) {
    return &scan->values[place_of(FIELDS, COUNT(FIELDS), name->text, name->size)];
}

static PyObject *bytes_of(const Span *span) {
    return PyBytes_FromStringAndSize(span->at == NULL ? "" : span->at, span->size);
}

/* What *memos* hold under the input's name and what names user and device. Like all that follows NULL,
 * perhaps with an exception, where there is nothing, or anything is unusual. */
static PyObject *find_memo(const Scan *scan, PyObject *input, PyObject *memos) {
    PyObject *identities = bytes_of(field(scan, &WORDS[0]));
    PyObject *device = bytes_of(field(scan, &WORDS[1]));
    PyObject *name = NULL, *memo = NULL;
    if (identities != NULL && device != NULL)
        name = PyTuple_Pack(3, input, identities, device);
    if (name != NULL)
        memo = PyDict_GetItemWithError(memos, name);
    Py_XINCREF(memo);
    Py_XDECREF(identities);
    Py_XDECREF(device);
    Py_XDECREF(name);
    return memo;
}

/* Whether the fields that decide have the bytes of *words*, in their order; None stands for a field
 * that is not there. */
static int has_words(const Scan *scan, PyObject *words) {
    if (!PyTuple_Check(words) || PyTuple_Size(words) != COUNT(WORDS))
        return 0;
    for (int i = 0; i < COUNT(WORDS); i++) {
        PyObject *word = PyTuple_GetItem(words, i);
        const Span *span = field(scan, &WORDS[i]);
        Py_buffer buffer;
        if (word == Py_None && span->at == NULL)
            continue;
        if (word == Py_None || span->at == NULL)
            return 0;
        if (PyObject_GetBuffer(word, &buffer, PyBUF_SIMPLE) < 0)
            return 0;
        int is_same =
            buffer.len == span->size && memcmp(buffer.buf, span->at, (size_t)span->size) == 0;
        PyBuffer_Release(&buffer);
        if (!is_same)
            return 0;
    }
    return 1;
}

/* A field that is laid over those of a batch. */
typedef struct {
    Name name;
    Py_buffer value;
    int is_placed;
} Over;

static char *put(char *to, const void *from, Py_ssize_t size) {
    memcpy(to, from, (size_t)size);
    return to + size;
}

static char *put_field(char *to, Name name, const void *value, Py_ssize_t size) {
    *to++ = '"';
    to = put(to, name.text, name.size);
    *to++ = '"';
    *to++ = ':';
    to = put(to, value, size);
    *to++ = ',';
    return to;
}

static const Name SCHEMA_VERSION = NAME("schema_version");

static int is_left_out(Name name) {
    return is_named(name.text, name.size, "consent_state") ||
           is_named(name.text, name.size, "system_notifications");
}

static char *put_batch(char *to, const Scan *scan, Over *overs, int count) {
    int has_version = 0;
    *to++ = '{';
    for (int i = 0; i < scan->count; i++) {
        Name name = FIELDS[scan->order[i]];
        const Span *span = &scan->values[scan->order[i]];
        int j = 0;
        if (is_left_out(name))
            continue;
        if (is_named(name.text, name.size, SCHEMA_VERSION.text)) {
            to = put_field(to, name, "2", 1);
            has_version = 1;
            continue;
        }
        while (j < count && !is_named(overs[j].name.text, overs[j].name.size, name.text))
            j++;
        if (j < count) {
            to = put_field(to, name, overs[j].value.buf, overs[j].value.len);
            overs[j].is_placed = 1;
        } else
            to = put_field(to, name, span->at, span->size);
    }
    for (int j = 0; j < count; j++)
        if (!overs[j].is_placed)
            to = put_field(to, overs[j].name, overs[j].value.buf, overs[j].value.len);
    if (!has_version)
        to = put_field(to, SCHEMA_VERSION, "2", 1);
    to[-1] = '}';
    return to;
}

static int is_simple(Name name) {
    for (Py_ssize_t i = 0; i < name.size; i++)
        if (name.text[i] != '_' && !(name.text[i] >= 'a' && name.text[i] <= 'z'))
            return 0;
    return !is_named(name.text, name.size, "system_notifications") &&
           !is_named(name.text, name.size, SCHEMA_VERSION.text);
}

/* The enriched batch: the fields of a batch of *size* bytes, with those of *fields*, a dict of JSON
 * texts, in their place or behind them. */
static PyObject *lay_over(const Scan *scan, Py_ssize_t size, PyObject *fields) {
    Over overs[MOST_OVER];
    int count = 0;
    Py_ssize_t place = 0, room = size + SCHEMA_VERSION.size + 8;
    PyObject *name, *value, *out = NULL;
    char *text;
    while (count < MOST_OVER && PyDict_Next(fields, &place, &name, &value)) {
        Over *one = &overs[count];
        one->name.text = PyUnicode_AsUTF8AndSize(name, &one->name.size);
        one->is_placed = 0;
        if (one->name.text == NULL || !is_simple(one->name))
            goto done;
        if (PyObject_GetBuffer(value, &one->value, PyBUF_SIMPLE) < 0)
            goto done;
        room += one->name.size + one->value.len + 4;
        count++;
    }
    if (count == PyDict_Size(fields) && (text = PyMem_Malloc((size_t)room)) != NULL) {
        out = PyBytes_FromStringAndSize(text, put_batch(text, scan, overs, count) - text);
        PyMem_Free(text);
    }
done:
    while (count > 0)
        PyBuffer_Release(&overs[--count].value);
    return out;
}

/* ---- the module ----------------------------------------------------------------------------- */

typedef struct {
    PyObject *words, *made, *fields; /* names of attributes */
} State;

static PyObject *found(const Scan *scan, PyObject *memo, PyObject *enriched) {
    const Span *id = &scan->request_id;
    int64_t time = scan->earliest < 0 ? scan->time : scan->earliest;
    PyObject *time_ms = time < 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(time);
    PyObject *request_id =
        id->size == 0 ? Py_NewRef(Py_None) : PyUnicode_DecodeUTF8(id->at, id->size, NULL);
    PyObject *tuple = NULL;
    if (time_ms != NULL && request_id != NULL)
        tuple = PyTuple_Pack(5, memo, scan->has_events ? Py_True : Py_False, time_ms, request_id,
                             enriched);
    Py_XDECREF(time_ms);
    Py_XDECREF(request_id);
    return tuple;
}

/* recall(value, most, input, memos): what is remembered of a batch of at most so many bytes, that came
 * through an input: (memo, has events, time, request id, enriched batch); None: ask Python. */
static PyObject *recall(PyObject *module, PyObject *const *args, Py_ssize_t given) {
    State *state = PyModule_GetState(module);
    Scan scan;
    if (given != 4 || !PyDict_Check(args[3])) {
        PyErr_SetString(PyExc_TypeError, "recall(value, most, input, memos)");
        return NULL;
    }
    Py_ssize_t most = PyLong_AsSsize_t(args[1]);
    if (most == -1 && PyErr_Occurred())
        return NULL;
    if (!PyBytes_CheckExact(args[0]) || PyDict_Size(args[3]) == 0 ||
        !scan_batch(&scan, args[0], most))
        Py_RETURN_NONE;
    PyObject *words = NULL, *made = NULL, *fields = NULL, *enriched = NULL, *tuple = NULL;
    PyObject *memo = find_memo(&scan, args[2], args[3]);
    if (memo != NULL)
        words = PyObject_GetAttr(memo, state->words);
    if (words != NULL && has_words(&scan, words))
        made = PyObject_GetAttr(memo, state->made);
    if (made != NULL)
        fields = PyObject_GetAttr(made, state->fields);
    if (fields != NULL && PyDict_Check(fields))
        enriched = lay_over(&scan, PyBytes_Size(args[0]), fields);
    if (enriched != NULL)
        tuple = found(&scan, memo, enriched);
    Py_XDECREF(memo);
    Py_XDECREF(words);
    Py_XDECREF(made);
    Py_XDECREF(fields);
    Py_XDECREF(enriched);
    if (tuple != NULL)
        return tuple;
    PyErr_Clear();
    Py_RETURN_NONE;
}

static int add_names(PyObject *module, const char *as, const Name *names, int count) {
    PyObject *tuple = PyTuple_New(count);
    for (int i = 0; tuple != NULL && i < count; i++) {
        PyObject *name = PyUnicode_FromStringAndSize(names[i].text, names[i].size);
        if (name == NULL || PyTuple_SetItem(tuple, i, name) < 0)
            Py_CLEAR(tuple);
    }
    int result = PyModule_AddObjectRef(module, as, tuple);
    Py_XDECREF(tuple);
    return result;
}

static int module_exec(PyObject *module) {
    State *state = PyModule_GetState(module);
    state->words = PyUnicode_InternFromString("words");
    state->made = PyUnicode_InternFromString("made");
    state->fields = PyUnicode_InternFromString("fields");
    if (state->words == NULL || state->made == NULL || state->fields == NULL)
        return -1;
    if (add_names(module, "FIELDS", FIELDS, COUNT(FIELDS)) < 0 ||
        add_names(module, "EVENT_TYPES", EVENT_TYPES, COUNT(EVENT_TYPES)) < 0 ||
        add_names(module, "PLAIN_TYPES", PLAIN_TYPES, COUNT(PLAIN_TYPES)) < 0 ||
        add_names(module, "WORDS", WORDS, COUNT(WORDS)) < 0)
        return -1;
    return PyModule_AddStringConstant(module, "SOURCE", SOURCE);
}

static void module_free(void *module) {
    State *state = PyModule_GetState(module);
    if (state == NULL)
        return;
    Py_CLEAR(state->words);
    Py_CLEAR(state->made);
    Py_CLEAR(state->fields);
}

static PyMethodDef methods[] = {
    {"recall", (PyCFunction)(void (*)(void))recall, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_batch",
    .m_size = sizeof(State),
    .m_methods = methods,
    .m_slots = slots,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__batch(void);

PyMODINIT_FUNC PyInit__batch(void) { return PyModuleDef_Init(&definition); }
