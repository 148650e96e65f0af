// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import java.time.Duration;
import java.util.function.Supplier;

/**
 * Type {@code limit}: keeps so many whole frames that a rate is not exceeded, for a branch that only watches. It is a token
 * bucket, full at first, that fills up by the frames' own times: the same frames give the same choice.
 */
public final class Limit implements Filter {

    private static final double NANOS_PER_SECOND = 1e9;

    private final boolean bytes;
    private final double perSecond;
    private final double capacity;
    private double tokens;
    private long filledNanos = Long.MIN_VALUE;

    private Limit(boolean bytes, double perSecond, Duration burst) {
        this.bytes = bytes;
        this.perSecond = perSecond;
        capacity = (burst.getSeconds() + burst.getNano() / NANOS_PER_SECOND) * perSecond;
        tokens = capacity;
    }

    @Override
    public void filter(Frame frame, Kept kept) {
        long now = frame.timeNanos();
        if (now > filledNanos && filledNanos != Long.MIN_VALUE) {
            tokens = Math.min(capacity, tokens + (double) (now - filledNanos) / NANOS_PER_SECOND * perSecond);
        }
        filledNanos = now; // a clock that was set back gives nothing, and goes on from there
        double needed = bytes ? frame.size() : 1;
        // One that is more than the bucket holds takes all of a full one, and what is still missing from the time to
        // come.
        if (tokens >= Math.min(needed, capacity)) {
            tokens -= needed;
            kept.keep(0, frame.size());
        }
    }

    /** Makes {@link Limit} filters. */
    public static final class Factory implements FilterFactory {
        @Override
        public String type() {
            return "limit";
        }

        @Override
        public Supplier<Filter> configure(Settings settings) {
            boolean bytes = settings.has("bytes-per-second");
            boolean frames = settings.has("frames-per-second");
            Duration burst = settings.duration("burst", Duration.ofMillis(1));
            if (bytes && frames) {
                settings.problem("frames-per-second", "stands beside bytes-per-second; write one of them");
            } else if (!bytes && !frames) {
                settings.problem("bytes-per-second", "or frames-per-second must be written, such as 1MB or 10");
            }
            double perSecond = bytes
                    ? settings.bytes("bytes-per-second", 1)
                    : frames ? settings.number("frames-per-second", 0.001, 1e9) : 1;
            return () -> new Limit(bytes, perSecond, burst);
        }
    }
}
