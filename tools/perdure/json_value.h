/* tools/perdure/json_value.h: JSON to MessagePack and back, without loss.
 *
 * What JSON has, it has the same way in both: null, true, numbers without a fraction as 64-bit integers, with one as
 * doubles, strings, arrays, objects. What it has not is an object with one key:
 *
 *     {"$bin": BASE64}          bytes
 *     {"$ext": [TYPE, BASE64]}  an extension
 *     {"$uint": "DIGITS"}       an integer of 2^63 to 2^64 - 1
 *     {"$float": "nan"}         also "inf", "-inf"
 *     {"$str": BASE64}          a string that is not UTF-8
 *     {"$map": [[KEY, VALUE], ...]}  a map whose keys are not strings, each once, or that looks like one of these
 *
 * So whatever is printed can be typed again, and is the same value. */
#ifndef TOOLS_PERDURE_JSON_VALUE_H
#define TOOLS_PERDURE_JSON_VALUE_H

#include <perdure/value.h>

enum json_reading {
    JSON_READ,    /* appended to the writer */
    JSON_NO,      /* it is not JSON */
    JSON_REFUSED, /* it is, but not a value that can be sent: `why` is a sentence's end */
};

enum json_reading json_read(struct pdr_bytes text, pdr_writer *value, char *why, size_t why_size);

/** As the command line takes it: JSON where it is JSON, else a string. False: refused. */
bool json_read_argument(const char *text, pdr_writer *value, char *why, size_t why_size);

/** Whether an object with this one key is one of the above. */
bool json_is_special(struct pdr_bytes key);

/** Appends the value as JSON in one line, UTF-8 without control characters. False if `value` is no value. */
bool json_print(pdr_value value, pdr_writer *text);
/** Appends a JSON string. `text` must be UTF-8. */
void json_print_string(struct pdr_bytes text, pdr_writer *out);

#endif
