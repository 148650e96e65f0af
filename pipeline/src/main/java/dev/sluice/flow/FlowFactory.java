// SPDX-License-Identifier: Apache-2.0
package dev.sluice.flow;

import dev.sluice.filter.Frame;
import dev.sluice.filter.Settings;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.pekko.stream.javadsl.Flow;

/**
 * Makes flows that stand among the filters of a topology: for what takes time (asking another system), or depends on it
 * (throttling, windows of time). A flow passes frames on, delays them or drops them; what of a frame goes on is a
 * filter's business. Implementations have a public constructor without arguments (ServiceLoader).
 *
 * <p>The rules: frames come out in the order in which they went in, each at most once, and no others. A frame may be read
 * from when it goes in until it comes out or is dropped, by any thread of the flow; and not any more once the flow has
 * completed. If it fails or is cancelled, buffers of frames inside it are kept from the device for good, since threads of
 * the flow may still read them. Frames inside the flow hold buffers of the source: it is given half of them at most, and one
 * that drops so many in a row without saying so gets no more. What blocks, or takes the processor for long, goes behind
 * {@code async(dispatcher)}: the rest runs on the pipeline's one thread.
 */
public interface FlowFactory {

    /** The word that selects it: {@code filters { name { type = word, … } } }. */
    String type();

    /**
     * Reads a node's settings, once, before anything runs; problems are reported through {@code settings} and all at
     * once. The result makes the flow each time its pipeline starts. Its argument is to be told, by any thread, of each
     * frame that will not come out, so that its buffer goes back at once; one that is overtaken by a later frame is
     * taken for dropped.
     */
    Function<Consumer<Frame>, Flow<Frame, Frame, ?>> configure(Settings settings);
}
