#pragma once

#include "apps/log.h"
#include "engine/market/instrument.h"
#include "engine/quoting/loop_observer.h"

namespace holdfast {

// Turns what the loop tells into log records, on the loop's thread and without an allocation.
// Information about single orders is on level debug: at hundreds of orders a second it would bury
// the rest. Fills are information, severities of the loop raise the level.
class LoopLog final : public LoopObserver {
 public:
  // `channel` outlives this; it belongs to the loop's thread from here on.
  LoopLog(LogChannel& channel, const Instrument& instrument)
      : channel_(channel), instrument_(instrument) {}
  void OnLoopEvent(const LoopEvent& event) override;

 private:
  LogChannel& channel_;
  const Instrument instrument_;
};

// Level, name and fields of one event; what is zero or empty is left out.
LogRecord MakeLoopRecord(const LoopEvent& event, const Instrument& instrument);

}  // namespace holdfast
