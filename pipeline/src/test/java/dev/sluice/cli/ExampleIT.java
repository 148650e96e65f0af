// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.device.Pattern;
import dev.sluice.topology.PluginJar;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The example of a filter, as a user builds and deploys it. Its own test is run by its own build. */
class ExampleIT {

    private static final Path ROOT = SluiceProcess.home().resolve("..").normalize();
    private static final int FRAMES = 100;
    private static final int FRAME_BYTES = 64 << 10;

    @TempDir
    private Path folder;

    @BeforeEach
    void deploy() throws IOException {
        Path main = SluiceProcess.home().resolve("examples/src/main");
        String services = "META-INF/services/dev.sluice.filter.FilterFactory";
        Files.createDirectory(folder.resolve("plugins"));
        new PluginJar()
                .compile(Map.of("Mean.java", Files.readString(main.resolve("java/example/Mean.java"))))
                .with(services, Files.readString(main.resolve("resources").resolve(services)))
                .with("reference.conf", Files.readString(main.resolve("resources/reference.conf")))
                .write(folder.resolve("plugins/sluice-example-filter.jar"));
    }

    @Test
    void sendsTheMeansOfWhatTheDeviceCounted() throws IOException {
        int samples = 1000;
        Path means = folder.resolve("means");
        SluiceProcess.Ended ended = SluiceProcess.run(
                "run", file("""
                        sluice {
                          plugins = "%s"
                          sources { adc  { type = simulated, frames = %d, buffer-size = %d, buffers = 8 } }
                          filters { mean { type = mean, from = adc, samples = %d } }
                          sinks   { out  { type = file, from = mean, path = "%s" } }
                        }
                        """.formatted(folder.resolve("plugins"), FRAMES, FRAME_BYTES, samples, means)));

        assertThat(ended.exit()).as("%s", ended).isZero();
        ByteBuffer stream = ByteBuffer.allocate(FRAMES * FRAME_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        while (stream.hasRemaining()) {
            stream.putLong(Pattern.word(stream.position()));
        }
        stream.flip();
        ByteBuffer expected =
                ByteBuffer.allocate(FRAMES * FRAME_BYTES / samples).order(ByteOrder.LITTLE_ENDIAN);
        while (stream.remaining() >= 2 * samples) {
            long sum = 0;
            for (int i = 0; i < samples; i++) {
                sum += stream.getShort();
            }
            expected.putShort((short) (sum / samples));
        }
        assertThat(ByteBuffer.wrap(Files.readAllBytes(means))).isEqualTo(expected.flip());
    }

    @Test
    void hasATopologyToStartFrom() throws IOException {
        String offered = Files.readString(ROOT.resolve("conf/custom-filter.conf"));
        SluiceProcess.Ended ended = SluiceProcess.run(
                "check",
                "--no-environment",
                file(offered + "sluice.plugins = \"" + folder.resolve("plugins") + "\"\n"));

        assertThat(ended.exit()).as("%s", ended).isZero();
    }

    @Test
    void saysWhatIsWrongWithItsSettings() throws IOException {
        String offered = Files.readString(ROOT.resolve("conf/custom-filter.conf"));
        SluiceProcess.Ended ended = SluiceProcess.run(
                "check",
                "--no-environment",
                file(offered.replace("samples = 1000", "samples = 0") + "sluice.plugins = \""
                        + folder.resolve("plugins") + "\"\n"));

        assertThat(ended.exit()).as("%s", ended).isEqualTo(78);
        assertThat(ended.err())
                .first()
                .asString()
                .contains(":12:", "filters.mean.samples is 0; it must be from 1 to 2147483647");
    }

    private String file(String text) throws IOException {
        return Files.writeString(folder.resolve("example.conf"), text).toString();
    }
}
