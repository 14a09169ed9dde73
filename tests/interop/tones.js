// Amplitudes (of full scale) of these tones in the last two thirds of a second, and of everything together.
function tones(...hertz) {
  const wave = new Float32Array(meter.fftSize);
  meter.getFloatTimeDomainData(wave);
  const of = frequency => {
    let real = 0, imaginary = 0;
    for (let i = 0; i < wave.length; i++) {
      const angle = 2 * Math.PI * frequency * i / context.sampleRate;
      const window = 1 - Math.cos(2 * Math.PI * i / wave.length);
      real += window * wave[i] * Math.cos(angle);
      imaginary += window * wave[i] * Math.sin(angle);
    }
    return 2 * Math.hypot(real, imaginary) / wave.length;
  };
  const rms = Math.sqrt(wave.reduce((sum, value) => sum + value * value, 0) / wave.length);
  return {rms, tones: hertz.map(of)};
}
