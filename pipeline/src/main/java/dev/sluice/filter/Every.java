// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import java.util.function.Supplier;

/** Type {@code every}: keeps one frame of {@code frames}, whole, and drops the others. */
public final class Every implements Filter {

    private final long frames;
    private long untilNext;

    /**
     * @param frames of which one is kept, at least 1
     * @param offset frames before the first that is kept, less than {@code frames}
     */
    public Every(long frames, long offset) {
        this.frames = frames;
        untilNext = offset;
    }

    @Override
    public void filter(Frame frame, Kept kept) {
        if (untilNext == 0) {
            kept.keep(0, frame.size());
            untilNext = frames;
        }
        untilNext--;
    }

    /** Makes {@link Every} filters. */
    public static final class Factory implements FilterFactory {
        @Override
        public String type() {
            return "every";
        }

        @Override
        public Supplier<Filter> configure(Settings settings) {
            long frames = settings.count("frames", 1, Long.MAX_VALUE);
            long offset = settings.count("offset", 0, Long.MAX_VALUE);
            if (offset >= frames) {
                settings.problem("offset", "is " + offset + "; of frames = " + frames + " the last is " + (frames - 1));
            }
            return () -> new Every(frames, offset);
        }
    }
}
