// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;

/**
 * Type {@code tag}: keeps everything and sets a flag of the frames in which a sample lies above or below a value. A sample
 * that begins in one frame and ends in the next belongs to the next.
 */
public final class Tag implements Filter {

    private final Trigger trigger;
    private final int flag;
    private final Stretches stretches;
    private final Stretches.Taker search = this::search;
    private boolean found;

    private Tag(Trigger trigger, int flag) {
        this.trigger = trigger;
        this.flag = flag;
        stretches = new Stretches(trigger.unitBytes());
    }

    @Override
    public void filter(Frame frame, Kept kept) {
        found = false;
        stretches.read(frame, kept, search);
        kept.keep(0, frame.size());
    }

    private void search(MemorySegment memory, long offset, long bytes, long position, Kept kept) {
        if (!found && trigger.first(memory, offset, offset + bytes) >= 0) {
            found = true;
            kept.tag(flag);
        }
    }

    /** Makes {@link Tag} filters. */
    public static final class Factory implements FilterFactory {
        @Override
        public String type() {
            return "tag";
        }

        @Override
        public Supplier<Filter> configure(Settings settings) {
            Trigger trigger = Trigger.read(settings);
            int flag = (int) settings.count("flag", 0, 7);
            return () -> new Tag(trigger, flag);
        }
    }
}
