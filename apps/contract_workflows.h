#pragma once

#include "workflows/runtime/runtime_host.h"

namespace holdfast {

// Registers the workflows that suites of other parties expect of a worker in any language. None of
// them touches anything but the journal.
//
//   conf_echo(a, b, named...)   step "step" = a + b, step "step" = "done"; {"sum": a + b, "named":
//                               the named arguments}. Numbers add up, texts are joined
//   conf_identity(v)            v, without a step
//   conf_fail(m)                fails: name ValueError, message m, code 42, data {"retryable":
//   false} conf_slow(n, ms)            n steps "nap" of ms milliseconds; {"n": n} conf_msg(seconds
//   = 10)      receives on topic "go"; null when nothing came in time. Else sets
//                               event "got" to the message, writes 0, 1, 2 to stream "out", closes
//                               it, and returns the message
//
// a, b, v and seconds may also be given by name.
//
// REQUIRES: the host is not launched.
void RegisterContractWorkflows(workflows::RuntimeHost& host);

}  // namespace holdfast
