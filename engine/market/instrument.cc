#include "engine/market/instrument.h"
