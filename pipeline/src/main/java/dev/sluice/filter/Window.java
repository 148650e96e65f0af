// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import java.util.function.Supplier;

/**
 * Type {@code window}: of each frame it keeps the bytes {@code offset + k·every} up to {@code + length}, for k = 0, 1, …,
 * cut at the frame's end. Nothing is copied.
 */
public final class Window implements Filter {

    private final long offset;
    private final long length;
    private final long every;

    /**
     * @param offset bytes before the first window
     * @param length bytes of a window, at least 1
     * @param every bytes from the start of a window to the start of the next, at least {@code length}
     */
    public Window(long offset, long length, long every) {
        this.offset = offset;
        this.length = length;
        this.every = every;
    }

    @Override
    public void filter(Frame frame, Kept kept) {
        long size = frame.size();
        // Counting the bytes that are left, not the next start: offset + every may be beyond 2^63.
        for (long start = offset, left = size - offset; left > 0; start += every, left -= every) {
            kept.keep(start, Math.min(length, left));
        }
    }

    /** Makes {@link Window} filters. */
    public static final class Factory implements FilterFactory {
        @Override
        public String type() {
            return "window";
        }

        @Override
        public Supplier<Filter> configure(Settings settings) {
            long offset = settings.bytes("offset", 0);
            long length = settings.bytes("length", 1);
            long every = settings.bytes("every", 1);
            if (every < length) {
                settings.problem(
                        "every", "is " + every + ", shorter than length = " + length + ": windows would overlap");
            }
            return () -> new Window(offset, length, every);
        }
    }
}
