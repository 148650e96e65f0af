// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.transport.Transfer;
import dev.sluice.wire.Header;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Frames that are handed to the kernel together, in their order. Reused. Owned by the stream's thread. */
final class Batch extends Transfer {

    private LentFrame[] frames = new LentFrame[16];

    /** By frame: the bytes of the transfer up to its end. */
    private long[] ends = new long[16];

    private int count;
    private int handedOver;
    private int letGo;

    /** Empties it. Nothing of it may be outstanding. */
    void begin() {
        clear();
        count = 0;
        handedOver = 0;
        letGo = 0;
    }

    /** Behind the others, each slice of it as it is now. */
    void add(LentFrame frame, @Nullable Header header) {
        if (count == frames.length) {
            frames = Arrays.copyOf(frames, 2 * count);
            ends = Arrays.copyOf(ends, 2 * count);
        }
        if (header != null) {
            addHeader(header.address(), Header.BYTES);
        }
        for (int slice = 0; slice < frame.sliceCount(); slice++) {
            add(frame.sliceAddress(slice), frame.sliceLength(slice));
        }
        frames[count] = frame;
        ends[count++] = totalBytes();
    }

    /** The next frame that the kernel has taken whole, each once. */
    @Nullable
    LentFrame nextHandedOver() {
        return handedOver < count && takenBytes() >= ends[handedOver] ? frames[handedOver++] : null;
    }

    /** The frame of which the kernel has taken some and not all, unless that is not this one's to send any more. */
    @Nullable
    LentFrame begun() {
        return handedOver < count && takenBytes() > (handedOver == 0 ? 0 : ends[handedOver - 1])
                ? frames[handedOver]
                : null;
    }

    /** What the sequence after the last frame of a stream is that may have been sent, or {@code otherwise}. */
    long upTo(int stream, long otherwise) {
        for (int i = count - 1; i >= handedOver; i--) {
            if (frames[i].stream() == stream) {
                return frames[i].sequence() + 1;
            }
        }
        return otherwise;
    }

    /** No more of it is sent. */
    void cut() {
        clear();
        handedOver = count;
    }

    /** The next frame that was handed over, or cut off, each once: the kernel has let go of all that was sent of it. */
    @Nullable
    LentFrame nextLetGo() {
        return letGo < handedOver ? frames[letGo++] : null;
    }
}
