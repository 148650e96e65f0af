// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import dev.sluice.filter.Filter;
import dev.sluice.filter.FilterFactory;
import dev.sluice.filter.Frame;
import dev.sluice.filter.Kept;
import dev.sluice.filter.Settings;
import java.util.function.Supplier;

/** Type {@code misbehaving}: keeps every frame whole, until the frame in which it does what no filter must do. */
public final class MisbehavingFilter implements Filter {

    /** What it does. */
    enum How {
        THROWS,
        OUTSIDE,
        OVERLAPS,
        BACKWARDS,
        ERRS,
        CANNOT_BE_MADE,
        IS_NULL
    }

    private final How how;
    private final long inFrame;

    private MisbehavingFilter(How how, long inFrame) {
        this.how = how;
        this.inFrame = inFrame;
    }

    @Override
    public void filter(Frame frame, Kept kept) throws Exception {
        if (frame.sequence() < inFrame) {
            kept.keep(0, frame.size());
            return;
        }
        switch (how) {
            case THROWS -> throw new Exception("no idea what to do with this");
            case OUTSIDE -> kept.keep(0, frame.size() + 1);
            case OVERLAPS -> {
                kept.keep(0, 100);
                kept.keep(99, 1);
            }
            case BACKWARDS -> {
                kept.keep(100, 1);
                kept.keep(0, 1);
            }
            case CANNOT_BE_MADE, IS_NULL -> throw new AssertionError("it was made");
            case ERRS -> throw new StackOverflowError("filters recurse, too");
        }
    }

    /** Found by ServiceLoader. */
    public static final class Factory implements FilterFactory {
        @Override
        public String type() {
            return "misbehaving";
        }

        @Override
        public Supplier<Filter> configure(Settings settings) {
            How how = settings.choice("how", How.class);
            long inFrame = settings.count("in-frame", 0, Long.MAX_VALUE);
            return () -> {
                if (how == How.CANNOT_BE_MADE) {
                    throw new IllegalStateException("no licence found");
                }
                return how == How.IS_NULL ? null : new MisbehavingFilter(how, inFrame);
            };
        }
    }
}
