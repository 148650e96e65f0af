// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A driver source without its device ends the run at once, with one sentence and exit status 1. */
class DriverIT {

    @TempDir
    private Path folder;

    @Test
    void aDeviceThatIsNotThereIsOneSentence() throws IOException {
        Path device = folder.resolve("sluice0");
        assertRefused(run(List.of(), device), device + " does not exist (ENOENT): ");
    }

    @Test
    void anotherDriversDeviceIsOneSentence() throws IOException {
        assertRefused(run(List.of(), Path.of("/dev/null")), "/dev/null is another driver's (");
    }

    /** Root may open anything by CAP_DAC_OVERRIDE, so it runs without. */
    @Test
    void aMissingPermissionIsOneSentence() throws IOException {
        Path device = Files.createFile(
                folder.resolve("sluice0"),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("---------")));
        Path fifo = folder.resolve("fifo");
        try (SluiceProcess mkfifo =
                SluiceProcess.program(new ProcessBuilder("mkfifo", "--mode=000", fifo.toString()))) {
            assertThat(mkfifo.end().exit()).isZero();
        }
        List<String> unprivileged = System.getProperty("user.name").equals("root")
                ? List.of("setpriv", "--inh-caps=-dac_override", "--bounding-set=-dac_override", "--")
                : List.of();
        assertRefused(
                run(unprivileged, fifo),
                "no permission to open " + fifo + " (Permission denied (EACCES)), which is ---");
        assertRefused(run(unprivileged, device), device + " is a regular file, not a device");
    }

    private static void assertRefused(SluiceProcess.Ended ended, String start) {
        assertThat(ended.exit()).as("%s", ended).isEqualTo(1);
        assertThat(ended.out()).isEmpty();
        assertThat(ended.complaints()).singleElement().asString().startsWith("sluice: " + start);
    }

    private SluiceProcess.Ended run(List<String> prefix, Path device) throws IOException {
        Path topology =
                Files.writeString(folder.resolve("driver.conf"), """
                sluice {
                  sources { adc { type = driver, device = "%s" } }
                  sinks { out { type = tcp, from = adc, connect = "127.0.0.1:%d" } }
                }
                """.formatted(device, SluiceProcess.freePort()));
        List<String> command = new ArrayList<>(prefix);
        command.addAll(SluiceProcess.sluice());
        command.addAll(List.of("run", topology.toString()));
        try (SluiceProcess sluice = SluiceProcess.program(new ProcessBuilder(command))) {
            return sluice.end();
        }
    }
}
