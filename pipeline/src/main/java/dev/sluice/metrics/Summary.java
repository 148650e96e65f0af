// SPDX-License-Identifier: Apache-2.0
package dev.sluice.metrics;

import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigRenderOptions;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * What a run came to.
 *
 * @param frames frames acquired
 * @param acquiredBytes bytes in them
 * @param keptBytes bytes that the filters kept
 * @param framesSent frames with kept bytes that the kernel took whole
 * @param sentBytes bytes handed to the kernel, framing and repeats included; the sum of the next four
 * @param byReferenceBytes of these, sent without a copy
 * @param copiedBytes sent with zero-copy, but copied by the kernel
 * @param plainBytes ordinary sends
 * @param unsettledBytes sent with zero-copy, and not notified before the run ended
 * @param lostBytes bytes the source produced while no buffer was armed
 * @param lossKnown whether the source tells what it lost; else {@code lostBytes} is the least it can be
 * @param starved how long the engine had no buffer to write to
 * @param quarantines buffers given back while something still referenced them, which the driver kept until nothing did
 * @param transferErrors transfers into a buffer that failed
 * @param unconfirmedBytes not acknowledged by the receiver's TCP when their connection broke
 * @param framesRepeated frames begun again on a new connection
 * @param framesLeft frames filled and not sent: left in the device, or acquired and given back
 * @param reconnects connections after the first
 * @param noBuffers sends the kernel refused for want of memory (ENOBUFS)
 * @param stuckBuffers buffers the kernel did not let go of
 * @param elapsed from start to end
 * @param holdMedianMillis median time from acquiring a buffer to giving it back
 * @param holdMaxMillis longest such time
 * @param plainReason why sends are plain, or empty
 */
public record Summary(
        long frames,
        long acquiredBytes,
        long keptBytes,
        long framesSent,
        long sentBytes,
        long byReferenceBytes,
        long copiedBytes,
        long plainBytes,
        long unsettledBytes,
        long lostBytes,
        boolean lossKnown,
        Duration starved,
        long quarantines,
        long transferErrors,
        long unconfirmedBytes,
        long framesRepeated,
        long framesLeft,
        long reconnects,
        long noBuffers,
        long stuckBuffers,
        Duration elapsed,
        double holdMedianMillis,
        double holdMaxMillis,
        String plainReason) {

    /**
     * From the counts at the end of a run.
     *
     * @param framesGivenBack frames that were acquired, but not sent when the stream stopped
     */
    public static Summary of(PipelineCounters counters, DeviceCounts device, long framesGivenBack, Duration elapsed) {
        SendCounters send = counters.send;
        return new Summary(
                counters.frames.value(),
                counters.acquired.value(),
                counters.kept.value(),
                counters.framesSent.value(),
                send.sent.value(),
                send.byReference.value(),
                send.copied.value(),
                send.plain.value(),
                send.outstanding(),
                device.lostBytes(),
                device.lossKnown(),
                Duration.ofNanos(device.starvedNanos()),
                device.quarantines(),
                device.errors(),
                counters.unconfirmed.value(),
                counters.framesRepeated.value(),
                device.filled() + framesGivenBack,
                counters.reconnects.value(),
                send.noBuffers.value(),
                counters.stuckBuffers.value(),
                elapsed,
                counters.holdTimes.percentileMillis(50),
                counters.holdTimes.percentileMillis(100),
                send.plainReason());
    }

    public double megabytesPerSecond() {
        double seconds = elapsed.toNanos() / 1e9;
        return seconds > 0 ? sentBytes / 1e6 / seconds : 0;
    }

    /** For people: lines that say nothing out of the ordinary are left out. */
    public String text() {
        StringBuilder text = new StringBuilder();
        line(text, "acquired", "%,d frames, %,d bytes", frames, acquiredBytes);
        line(text, "kept", "%,d bytes in %,d frames sent", keptBytes, framesSent);
        line(text, "sent", "%,d bytes in %.2f s, %.1f MB/s", sentBytes, elapsed.toNanos() / 1e9, megabytesPerSecond());
        line(text, "by reference", "%,d bytes", byReferenceBytes);
        line(text, "copied", "%,d bytes, by the kernel in spite of zero-copy", copiedBytes);
        line(text, "plain", "%,d bytes%s", plainBytes, plainReason.isEmpty() ? "" : ": " + plainReason);
        double starvedSeconds = starved.toNanos() / 1e9;
        if (lossKnown) {
            line(text, "lost", "%,d bytes; the engine had no buffer for %.3f s", lostBytes, starvedSeconds);
        } else {
            line(text, "lost", "not told by the DMA engine; it had no buffer for %.3f s", starvedSeconds);
        }
        line(text, "buffers", "held %.2f ms (median), %.2f ms (longest)", holdMedianMillis, holdMaxMillis);
        if (reconnects > 0 || framesRepeated > 0) {
            line(text, "reconnects", "%,d; %,d frames begun again", reconnects, framesRepeated);
        }
        if (unconfirmedBytes > 0) {
            line(text, "unconfirmed", "%,d bytes were not acknowledged when their connection broke", unconfirmedBytes);
        }
        if (noBuffers > 0) {
            line(text, "ENOBUFS", "%,d sends refused: raise net.core.optmem_max or the memlock limit", noBuffers);
        }
        if (transferErrors > 0) {
            line(text, "errors", "%,d transfers into a buffer failed, as the DMA engine says", transferErrors);
        }
        if (quarantines > 0) {
            line(
                    text,
                    "quarantined",
                    "%,d buffers came back while they were still in use; the driver waited",
                    quarantines);
        }
        if (framesLeft > 0) {
            line(text, "left", "%,d frames were filled, but not sent before the end", framesLeft);
        }
        if (stuckBuffers > 0 || unsettledBytes > 0) {
            line(
                    text,
                    "stuck",
                    "%,d buffers kept from the device: the kernel had not let go of %,d bytes",
                    stuckBuffers,
                    unsettledBytes);
        }
        return text.toString();
    }

    /** For programs: one JSON object on one line; sizes in bytes, times in seconds. */
    public String json() {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("frames", frames);
        fields.put("acquired_bytes", acquiredBytes);
        fields.put("kept_bytes", keptBytes);
        fields.put("frames_sent", framesSent);
        fields.put("sent_bytes", sentBytes);
        fields.put("by_reference_bytes", byReferenceBytes);
        fields.put("copied_bytes", copiedBytes);
        fields.put("plain_bytes", plainBytes);
        fields.put("unsettled_bytes", unsettledBytes);
        fields.put("lost_bytes", lostBytes);
        fields.put("loss_known", lossKnown);
        fields.put("starved_s", starved.toNanos() / 1e9);
        fields.put("quarantines", quarantines);
        fields.put("transfer_errors", transferErrors);
        fields.put("unconfirmed_bytes", unconfirmedBytes);
        fields.put("frames_repeated", framesRepeated);
        fields.put("frames_left", framesLeft);
        fields.put("reconnects", reconnects);
        fields.put("enobufs", noBuffers);
        fields.put("stuck_buffers", stuckBuffers);
        fields.put("elapsed_s", elapsed.toNanos() / 1e9);
        fields.put("mb_per_s", megabytesPerSecond());
        fields.put("hold_median_ms", holdMedianMillis);
        fields.put("hold_max_ms", holdMaxMillis);
        fields.put("plain_reason", plainReason);
        return ConfigFactory.parseMap(fields).root().render(ConfigRenderOptions.concise());
    }

    @SuppressWarnings("AnnotateFormatMethod") // its annotation is in a library that only the compiler needs
    private static void line(StringBuilder text, String label, String format, Object... figures) {
        text.append(String.format(Locale.ROOT, "%-13s", label))
                .append(String.format(Locale.ROOT, format, figures))
                .append(System.lineSeparator());
    }
}
