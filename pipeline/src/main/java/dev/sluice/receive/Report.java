// SPDX-License-Identifier: Apache-2.0
package dev.sluice.receive;

import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigRenderOptions;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * What a receiver got.
 *
 * @param frames whole frames; 0 with {@code framing = raw}
 * @param bytes payload bytes
 * @param verified whether they were checked at all
 * @param verifiedBytes bytes looked at, those of frames that were cut off included
 * @param wrongBytes of these, wrong ones
 * @param uncheckedBytes bytes that cannot be checked: parts of words, cut off by a filter or by the end
 * @param lostBytes bytes that the sender announced as lost at the source
 * @param skippedBytes bytes of the source that neither came nor were announced: a filter dropped them, or they were on
 *     their way when a connection broke
 * @param connections connections accepted
 * @param restarts streams that began anew, since their source did
 * @param corrupt connections that were given up for what came over them
 * @param turnedAway connections that were closed, since they were not allowed or did not prove that they have the key
 * @param elapsed from the first connection to the end
 * @param problem why it ended, if not well; else empty
 */
public record Report(
        long frames,
        long bytes,
        boolean verified,
        long verifiedBytes,
        long wrongBytes,
        long uncheckedBytes,
        long lostBytes,
        long skippedBytes,
        int connections,
        int restarts,
        int corrupt,
        int turnedAway,
        Duration elapsed,
        String problem) {

    /** Exit status of the process. */
    public int exitCode() {
        return problem.isEmpty() && wrongBytes == 0 ? 0 : 1;
    }

    public double megabytesPerSecond() {
        return elapsed.isZero() ? 0 : bytes / 1e6 / (elapsed.toNanos() / 1e9);
    }

    /** For people. */
    public String text() {
        String newLine = System.lineSeparator();
        StringBuilder text = new StringBuilder(String.format(
                Locale.ROOT,
                "received     %,d frames, %,d bytes in %.2f s, %.1f MB/s%n",
                frames,
                bytes,
                elapsed.toNanos() / 1e9,
                megabytesPerSecond()));
        text.append(String.format(
                Locale.ROOT,
                "missing      %,d bytes announced as lost at the source, %,d skipped",
                lostBytes,
                skippedBytes));
        text.append(newLine);
        if (turnedAway > 0) {
            text.append(String.format(
                    Locale.ROOT, "turned away  %,d connections, not allowed or without the key%n", turnedAway));
        }
        if (verified) {
            text.append(String.format(Locale.ROOT, "verified %d bytes, %d wrong", verifiedBytes, wrongBytes));
            text.append(
                    uncheckedBytes > 0
                            ? String.format(Locale.ROOT, ", %d not checked (parts of words)", uncheckedBytes)
                            : "");
            text.append(newLine);
        }
        return text.toString();
    }

    /** For programs: one JSON object on one line. */
    public String json() {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("frames", frames);
        fields.put("bytes", bytes);
        fields.put("verified_bytes", verifiedBytes);
        fields.put("wrong_bytes", wrongBytes);
        fields.put("unchecked_bytes", uncheckedBytes);
        fields.put("lost_bytes", lostBytes);
        fields.put("skipped_bytes", skippedBytes);
        fields.put("connections", connections);
        fields.put("restarts", restarts);
        fields.put("corrupt_connections", corrupt);
        fields.put("turned_away", turnedAway);
        fields.put("elapsed_s", elapsed.toNanos() / 1e9);
        fields.put("mb_per_s", megabytesPerSecond());
        fields.put("problem", problem);
        return ConfigFactory.parseMap(fields).root().render(ConfigRenderOptions.concise());
    }
}
